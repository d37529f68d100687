"""Many HTTP clients, each on a connection of its own that it keeps.

    keep_alive_clients.py HOST PORT PATH CLIENTS

Every client posts one small event after the other to PATH. Once all of them were answered, prints {"posting": CLIENTS}
and goes on until stdin ends; then prints how many clients kept their connection and how often each status came.
"""

import asyncio
import collections
import json
import resource
import sys


async def main(host, port, path, clients):
    raise_descriptor_limit()
    statuses = collections.Counter()
    stop = asyncio.Event()
    first_answers = [asyncio.Event() for _ in range(clients)]
    # Not all at once: a burst of connections is another matter than their number.
    places = asyncio.Semaphore(100)

    async def client(number):
        async with places:
            reader, writer = await asyncio.open_connection(host, port)
        payload = b"client %d" % number
        request = b"POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n%s" % (
            path.encode(), host.encode(), len(payload), payload)
        while not stop.is_set():
            writer.write(request)
            statuses[await read_answer(reader)] += 1
            first_answers[number].set()
        writer.close()

    running = [asyncio.create_task(client(number)) for number in range(clients)]
    posting = asyncio.gather(*(answered.wait() for answered in first_answers))
    await asyncio.wait([posting, *running], return_when=asyncio.FIRST_COMPLETED)
    print(json.dumps({"posting": sum(answered.is_set() for answered in first_answers)}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    stop.set()
    ended = await asyncio.gather(*running, return_exceptions=True)
    kept = sum(end is None for end in ended)
    problems = sorted({repr(end) for end in ended if end is not None})
    print(json.dumps({"kept": kept, "statuses": statuses, "problems": problems}), flush=True)


async def read_answer(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode().lower().split("\r\n")
    lengths = [int(line.split(":")[1]) for line in lines if line.startswith("content-length:")]
    await reader.readexactly(lengths[0])
    return lines[0].split(" ")[1]


def raise_descriptor_limit():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])))
