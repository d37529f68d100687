"""Bytes without events."""

import random



def byte_streams(trial):
    trial.create("stream", 1)
    data = random.Random(3).randbytes(3_000_000)
    stream = trial.manager.create_byte_stream(trial.scope, "stream")
    trial.report("new", [stream.current_head_offset(), stream.current_tail_offset()])
    trial.report("written", stream.write(data))
    stream.flush()
    trial.report("from and to", [stream.current_head_offset(), stream.current_tail_offset()])
    trial.check("they are read", read_bytes(stream, len(data)) == data)
    trial.report("read up to", stream.tell())
    stream.seek(1_000_000, 0)
    trial.check("from an offset on", read_bytes(stream, 1000) == data[1_000_000:1_001_000])
    stream.seek(-10, 2)
    trial.check("from the end", read_bytes(stream, 10) == data[-10:])
    stream.truncate(1000)
    trial.report("truncated", [stream.current_head_offset(), stream.current_tail_offset()])
    stream.seek(0, 0)
    trial.refused("read what is truncated", lambda: read_bytes(stream, 10))
    other = trial.manager.create_byte_stream(trial.scope, "stream")
    other.seek(1000, 0)
    trial.check("the rest is there", read_bytes(other, 10) == data[1000:1010])


def read_bytes(stream, count):
    read = bytearray()
    while len(read) < count:
        buffer = bytearray(count - len(read))
        read += buffer[: stream.readinto(buffer)]
    return bytes(read)
