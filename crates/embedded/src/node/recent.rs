//! Names of segments that were merged recently.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

/// Most names that are remembered.
const KEPT: usize = 10_000;

/// Names of segments that are gone; the oldest are forgotten.
#[derive(Debug, Default)]
pub(super) struct RecentNames {
    names: HashSet<Arc<str>>,
    oldest: VecDeque<Arc<str>>,
}

impl RecentNames {
    pub(super) fn contains(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    pub(super) fn insert(&mut self, name: &Arc<str>) {
        if self.names.insert(Arc::clone(name)) {
            self.oldest.push_back(Arc::clone(name));
        }
        if self.oldest.len() > KEPT
            && let Some(forgotten) = self.oldest.pop_front()
        {
            self.names.remove(&forgotten);
        }
    }

    /// Forgets a name, which leaves its place in the queue for others to push out.
    pub(super) fn remove(&mut self, name: &str) {
        self.names.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_names_are_kept_and_older_ones_forgotten() {
        let mut recent = RecentNames::default();
        (0..=KEPT).for_each(|index| recent.insert(&index.to_string().into()));
        assert!(!recent.contains("0"));
        assert!(recent.contains("1"));
        recent.remove("1");
        assert!(!recent.contains("1"));
    }
}
