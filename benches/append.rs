//! Events of 100 B through the gateway, compared with a server that does nothing and with the wire protocol itself.
//!
//! Needs a Pravega: `TEST_PRAVEGA` names its controller and `TEST_PRAVEGA_REST` its REST API, as
//! `scripts/bench` sets them. All sides run in the same process on one machine, so that their ratios can be compared.

#[path = "support/direct.rs"]
mod direct;
#[path = "support/http_load.rs"]
mod http_load;
#[path = "support/servers.rs"]
mod servers;

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use direct::DirectWriter;
use http_load::HttpLoad;
use servers::{GatewayProcess, no_op_server, variable};
use tokio::runtime::Runtime;

/// Fewest requests per connection in one measurement, so that all connections are busy.
const LEAST_REQUESTS: u64 = 8;

fn append(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let gateway = GatewayProcess::start();
    let stream = gateway.create_stream();
    let no_op = runtime.block_on(no_op_server());
    let mut group = c.benchmark_group("100 B events");
    group.throughput(Throughput::Elements(1)).sample_size(10).measurement_time(Duration::from_secs(5));
    for connections in [1, 64, 256] {
        let sides = [("gateway", gateway.address, stream.path()), ("no-op server", no_op, "/".to_owned())];
        for (side, address, path) in sides {
            let load = runtime.block_on(HttpLoad::connect(address, &path, connections));
            group.bench_function(BenchmarkId::new(side, connections), |b| {
                b.iter_custom(|count| scaled(count, connections, |requests| runtime.block_on(load.run(requests))));
            });
        }
        let writer = runtime.block_on(DirectWriter::connect(&stream, &variable("TEST_PRAVEGA_STORE")));
        group.bench_function(BenchmarkId::new("wire protocol, one event a block", connections), |b| {
            b.iter_custom(|count| {
                scaled(count, connections, |events| runtime.block_on(writer.run(events, connections)))
            });
        });
    }
    group.finish();
}

/// Runs enough requests to keep all connections busy, and scales the time back.
fn scaled(count: u64, connections: usize, run: impl FnOnce(u64) -> Duration) -> Duration {
    let requests = count.max(LEAST_REQUESTS * connections as u64);
    run(requests).mul_f64(count as f64 / requests as f64)
}

criterion_group!(benches, append);
criterion_main!(benches);
