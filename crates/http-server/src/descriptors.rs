//! How many connections the system has descriptors for.

/// File descriptors that are left for everything but callers: upstream connections, log, files.
const SPARE_DESCRIPTORS: usize = 512;

/// Raises the soft limit of file descriptors to the hard one and says how many connections that allows: at most
/// `wanted`, and the descriptors less 512 that other things need, but at least one.
pub fn allowed_connections(wanted: usize) -> usize {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(descriptors) => connections_within(wanted, usize::try_from(descriptors).unwrap_or(usize::MAX)),
        Err(error) => {
            tracing::warn!(%error, "cannot read the limit of file descriptors");
            wanted
        }
    }
}

fn connections_within(wanted: usize, descriptors: usize) -> usize {
    wanted.min(descriptors.saturating_sub(SPARE_DESCRIPTORS)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_other_things() {
        assert_eq!(connections_within(16_384, 1_048_576), 16_384);
        assert_eq!(connections_within(16_384, 1024), 512);
        assert_eq!(connections_within(16_384, 256), 1);
    }
}
