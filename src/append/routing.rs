//! Which segment's writer takes which part of a stream's key space.
//!
//! A routing is a value: each change makes another one, which callers see once it is published.
//!
//! ```text
//!                 0.0 ────────── 0.5 ────────── 1.0
//! at first         │  segment 0   │  segment 1   │    segment 2 will follow both
//! replace(0, [2])  │  segment 2   │  segment 1   │    segment 1 keeps its part until it is found sealed, too
//! replace(1, [2])  │  segment 2   │  segment 2   │
//! abandon(0)       │      –       │  segment 1   │    nothing is known to follow segment 0
//! fill([2])        │  segment 2   │  segment 1   │    the stream has segment 2 in both parts by now
//! ```

use pravega_protocol::stream::{KeyPosition, KeyRange, SegmentId};

use super::event::Target;
use super::segment_writer::SegmentWriter;

/// The writers of a stream's key space, in the order of their ranges.
#[derive(Debug, Clone, Default)]
pub(super) struct Routing {
    pub(super) routes: Vec<Route>,
}

/// A part of the key space and its writer.
#[derive(Debug, Clone)]
pub(super) struct Route {
    pub(super) range: KeyRange,
    /// `None` where no segment was found to follow; the next caller asks again.
    pub(super) writer: Option<SegmentWriter>,
}

impl Route {
    pub(super) fn leads_to(&self, segment: SegmentId) -> bool {
        self.writer.as_ref().is_some_and(|writer| writer.segment().id == segment)
    }
}

impl Routing {
    pub(super) fn new(mut routes: Vec<Route>) -> Self {
        routes.sort_by(|one, other| one.range.high().total_cmp(&other.range.high()));
        Self { routes }
    }

    pub(super) fn find(&self, target: Target) -> Option<&SegmentWriter> {
        match target {
            Target::Position(position) => self.at(position),
            Target::Segment(segment) => self.of(segment),
        }
    }

    /// The writer of the segment with the smallest upper bound at or above the position, which is how Pravega's clients
    /// look it up. Bounds are sums of fractions: a position above the last one by a rounding error belongs to the last
    /// segment.
    fn at(&self, position: KeyPosition) -> Option<&SegmentWriter> {
        let first = self.routes.partition_point(|route| route.range.high() < position.as_f64());
        self.routes.get(first).or(self.routes.last())?.writer.as_ref()
    }

    fn of(&self, segment: SegmentId) -> Option<&SegmentWriter> {
        self.routes.iter().filter_map(|route| route.writer.as_ref()).find(|writer| writer.segment().id == segment)
    }

    /// The first writer whose segment was found sealed or deleted.
    pub(super) fn closed(&self) -> Option<&SegmentWriter> {
        self.routes.iter().filter_map(|route| route.writer.as_ref()).find(|writer| writer.is_closed())
    }

    /// Whether every part of the key space has a writer.
    pub(super) fn is_whole(&self) -> bool {
        self.routes.iter().all(|route| route.writer.is_some())
    }

    /// Whether no part of the key space has a writer.
    pub(super) fn is_vacant(&self) -> bool {
        self.routes.iter().all(|route| route.writer.is_none())
    }

    /// Leaves the part of one segment without a writer.
    pub(super) fn abandon(&self, segment: SegmentId) -> Self {
        let vacant = Route { range: KeyRange::FULL, writer: None };
        self.give(|route| route.leads_to(segment), &[vacant])
    }

    /// Gives the part of one segment to its successors; the rest of the key space stays as it is.
    pub(super) fn replace(&self, segment: SegmentId, successors: &[Route]) -> Self {
        self.give(|route| route.leads_to(segment), successors)
    }

    /// Gives the parts without a writer to others; the rest of the key space stays as it is.
    pub(super) fn fill(&self, others: &[Route]) -> Self {
        self.give(|route| route.writer.is_none(), others)
    }

    pub(super) fn give(&self, is_given: impl Fn(&Route) -> bool, successors: &[Route]) -> Self {
        let (old, mut routes): (Vec<_>, Vec<_>) = self.routes.iter().cloned().partition(is_given);
        for route in &old {
            let parts = successors.iter().filter_map(|successor| {
                let range = overlap(route.range, successor.range)?;
                Some(Route { range, writer: successor.writer.clone() })
            });
            routes.extend(parts);
        }
        Self::new(routes)
    }
}

pub(super) fn overlap(one: KeyRange, other: KeyRange) -> Option<KeyRange> {
    KeyRange::new(one.low().max(other.low()), one.high().min(other.high()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::append::stalls::Stalls;
    use pravega_protocol::stream::SegmentName;

    fn route(number: u32, epoch: u32, low: f64, high: f64) -> Route {
        let name: SegmentName = format!("s/t/{number}.#epoch.{epoch}").parse().expect("a name");
        Route {
            range: KeyRange::new(low, high).expect("a range"),
            writer: Some(SegmentWriter::new(name, 1, Stalls::new(0).writer()).0),
        }
    }

    fn segment_at(routing: &Routing, position: f64) -> Option<String> {
        let position = KeyPosition::new(position).expect("a position");
        routing.find(Target::Position(position)).map(|writer| writer.segment().id.to_string())
    }

    #[test]
    fn position_on_a_boundary_goes_to_the_lower_segment() {
        let routing = Routing::new(vec![route(1, 0, 0.5, 1.0), route(0, 0, 0.0, 0.5)]);
        assert_eq!(segment_at(&routing, 0.5).as_deref(), Some("0.#epoch.0"));
        assert_eq!(segment_at(&routing, 0.500_000_1).as_deref(), Some("1.#epoch.0"));
    }

    #[test]
    fn merged_successor_takes_only_the_part_of_the_segment_that_was_found_sealed() {
        let routing = Routing::new(vec![route(0, 0, 0.0, 0.5), route(1, 0, 0.5, 1.0)]);
        let sealed = "0.#epoch.0".parse().expect("an id");
        let merged = routing.replace(sealed, &[route(2, 1, 0.0, 1.0)]);
        assert_eq!(segment_at(&merged, 0.2).as_deref(), Some("2.#epoch.1"));
        assert_eq!(segment_at(&merged, 0.8).as_deref(), Some("1.#epoch.0"));
    }

    #[test]
    fn part_that_nobody_has_is_given_away_while_the_others_keep_theirs() {
        let routing = Routing::new(vec![route(0, 0, 0.0, 0.5), route(1, 0, 0.5, 1.0)]);
        let abandoned = routing.abandon("0.#epoch.0".parse().expect("an id"));
        assert_eq!((segment_at(&abandoned, 0.2), abandoned.is_whole()), (None, false));
        let filled = abandoned.fill(&[route(2, 0, 0.0, 1.0)]);
        assert_eq!(segment_at(&filled, 0.2).as_deref(), Some("2.#epoch.0"));
        assert_eq!(segment_at(&filled, 0.8).as_deref(), Some("1.#epoch.0"));
    }

    #[test]
    fn stream_without_segments_has_no_writer() {
        assert_eq!(segment_at(&Routing::default(), 0.5), None);
    }
}
