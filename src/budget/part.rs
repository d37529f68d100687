/// What bytes are held for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Answers: pages of reads, replies of stores.
    Pages,
    /// Bodies that are read to their end before anything is done with them.
    WholeBodies,
    /// Bodies that are consumed as they arrive.
    StreamedBodies,
}

impl Part {
    pub(super) const ALL: [Self; 3] = [Self::Pages, Self::WholeBodies, Self::StreamedBodies];

    pub(super) fn index(self) -> usize {
        self as usize
    }
}

/// How a number of bytes is divided.
///
/// ```text
/// ├ kept: pages ┼ kept: whole bodies ┼ kept: streamed bodies ┼─────── common ───────┤
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Division {
    total: usize,
    /// Bytes that each part has for itself.
    kept: usize,
}

impl Division {
    /// Most bytes that are kept for each part.
    const MOST_KEPT: usize = 8 * 1024 * 1024;

    /// Room for the largest event and what it takes beside its payload.
    const LARGEST_EVENT: usize = 9 * 1024 * 1024;

    /// Divides a budget in which a single thing of `largest` bytes must still find room; in one that is smaller, the
    /// largest event.
    pub(super) fn new(total: usize, largest: usize) -> Self {
        let largest = if largest <= total { largest } else { Self::LARGEST_EVENT };
        let beside_largest = total.saturating_sub(largest);
        Self { total, kept: (beside_largest / 2).min(total / 8).min(Self::MOST_KEPT) }
    }

    pub(super) fn total(self) -> usize {
        self.total
    }

    pub(super) fn kept(self) -> usize {
        self.kept
    }

    pub(super) fn common(self) -> usize {
        self.total - Part::ALL.len() * self.kept
    }

    /// Most bytes that one part can hold.
    pub(super) fn capacity(self) -> usize {
        self.kept + self.common()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    #[test]
    fn large_budget_keeps_8_mib_for_each_part() {
        let division = Division::new(64 * MIB, 32 * MIB);
        assert_eq!((division.kept(), division.common(), division.capacity()), (8 * MIB, 40 * MIB, 48 * MIB));
    }

    #[test]
    fn small_budget_keeps_less_so_that_the_largest_thing_finds_room() {
        assert_eq!(Division::new(40 * MIB, 32 * MIB).capacity(), 32 * MIB);
        assert_eq!(Division::new(16 * MIB, 32 * MIB).capacity(), 12 * MIB);
        assert_eq!(Division::new(9 * MIB, 32 * MIB).capacity(), 9 * MIB);
        assert_eq!(Division::new(16 * MIB, 0).kept(), 2 * MIB);
    }
}
