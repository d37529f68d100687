//! The gateway's metrics and its use of resources as the system sees it.

use std::collections::HashSet;
use std::fs;

use super::Gateway;

/// The value of a sample such as `pravega_gateway_store_sessions{kind="append"}`; 0 if there is none.
pub(crate) async fn sample(gateway: &Gateway, name: &str) -> f64 {
    let text = gateway.metrics().await;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
    value.unwrap_or(0.0)
}

/// The value of a counter; 0 if there is none.
pub(crate) async fn count(gateway: &Gateway, name: &str) -> u64 {
    let text = gateway.metrics().await;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.map_or(0, |value| value.parse().expect("a counter is a whole number"))
}

/// How often a limit was reached, by its setting.
pub(crate) async fn hits(gateway: &Gateway, limit: &str) -> u64 {
    count(gateway, &format!("pravega_gateway_limit_hits_total{{limit=\"{limit}\"}}")).await
}

/// How often a store failed with this reply or in this way.
pub(crate) async fn store_errors(gateway: &Gateway, error: &str) -> u64 {
    count(gateway, &format!("pravega_gateway_store_errors_total{{error=\"{error}\"}}")).await
}

/// Calls to the controller so far.
pub(crate) async fn controller_requests(gateway: &Gateway) -> u64 {
    let text = gateway.metrics().await;
    let lines = text.lines().filter(|line| line.starts_with("pravega_gateway_controller_requests_total{"));
    let values = lines.map(|line| line.rsplit_once(' ').and_then(|(_, value)| value.parse::<u64>().ok()));
    values.map(|value| value.expect("a counter is a whole number")).sum()
}

/// Sessions with stores of one kind: append, read or exclusive.
pub(crate) async fn store_sessions(gateway: &Gateway, kind: &str) -> f64 {
    sample(gateway, &format!("pravega_gateway_store_sessions{{kind=\"{kind}\"}}")).await
}

/// A number of bytes in `/proc/PID/status`: `VmRSS`, the resident set size, or `VmHWM`, its peak.
pub(crate) fn memory(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs, and is ours");
    let line =
        status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).expect("every process has it");
    let kib: u64 = line.trim().strip_suffix(" kB").expect("in kB").parse().expect("a number");
    kib * 1024
}

/// Established TCP connections from a process to a port.
pub(crate) fn connections(pid: u32, port: u16) -> usize {
    let owned = sockets_of(pid);
    let tables = ["tcp", "tcp6"].map(|table| fs::read_to_string(format!("/proc/{pid}/net/{table}")));
    let tables = tables.map(Result::unwrap_or_default);
    let lines = tables.iter().flat_map(|table| table.lines().skip(1));
    lines.filter_map(established_to).filter(|(to, inode)| *to == port && owned.contains(*inode)).count()
}

/// Remote port and inode in a line of /proc/net/tcp, if the connection is established.
fn established_to(line: &str) -> Option<(u16, &str)> {
    let columns: Vec<_> = line.split_whitespace().collect();
    let (remote, state, inode) = (columns.get(2)?, columns.get(3)?, columns.get(9)?);
    let (_, port) = remote.rsplit_once(':')?;
    (*state == "01").then_some((u16::from_str_radix(port, 16).ok()?, inode))
}

fn sockets_of(pid: u32) -> HashSet<String> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).expect("the process runs, and is ours");
    let targets = entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    let inode = |target: &str| Some(target.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned());
    targets.filter_map(|target| inode(target.to_str()?)).collect()
}
