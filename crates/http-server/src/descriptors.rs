//! How many connections the system has file descriptors for.

/// File descriptors kept free for everything but callers: upstream connections, logs, files.
const SPARE_DESCRIPTORS: usize = 512;

/// Raises the soft limit of file descriptors to the hard one and returns how many connections that allows: `wanted`,
/// or the descriptors less 512 for other uses if that is fewer, but at least one.
pub fn allowed_connections(wanted: usize) -> usize {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(descriptors) => connections_within(wanted, usize::try_from(descriptors).unwrap_or(usize::MAX)),
        Err(error) => {
            tracing::warn!(%error, "cannot raise the limit of file descriptors");
            wanted.max(1)
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

    #[test]
    fn at_least_one_connection_is_allowed() {
        assert_eq!(connections_within(0, 1_048_576), 1);
        assert_eq!(connections_within(1, 0), 1);
    }

    #[test]
    fn connections_follow_the_raised_limit_of_descriptors() {
        let (before, _) = rlimit::Resource::NOFILE.get().expect("every system has the limit");
        assert_eq!([allowed_connections(0), allowed_connections(1)], [1, 1]);
        let (raised, _) = rlimit::Resource::NOFILE.get().expect("every system has the limit");
        assert!(raised >= before);
        let most = usize::try_from(raised).unwrap_or(usize::MAX).saturating_sub(SPARE_DESCRIPTORS).max(1);
        assert_eq!(allowed_connections(usize::MAX), most);
    }
}
