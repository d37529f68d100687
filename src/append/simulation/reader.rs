//! A reader of the stream's segments, and whether what it gets is so.

use std::sync::Arc;
use std::time::Duration;

use pravega_protocol::stream::SegmentId;
use tokio::time::{sleep, timeout};

use super::dice::Dice;
use super::odds::Odds;
use super::segment::short;
use super::world::{State, World};
use crate::budget::{Budget, Part};
use crate::read::{Error, Page, PageLimits, SegmentReader};

/// How long a page may take while things break, and once they don't.
const PATIENCE: Duration = Duration::from_secs(10);
const PATIENCE_IN_CALM: Duration = Duration::from_secs(100);

/// Beyond what a schedule stores.
const LARGEST_PAGE: usize = 100_000;

/// Reads pages through the gateway's own reader.
pub(super) struct Reader {
    pub(super) world: Arc<World>,
    pub(super) reader: SegmentReader,
    pub(super) budget: Budget,
    pub(super) dice: Dice,
}

impl Reader {
    /// Reads here and there while things break.
    pub(super) async fn run(mut self, odds: Odds) {
        for _ in 0..odds.pages {
            sleep(self.dice.millis(0..=odds.pause_ms + 10)).await;
            let known = self.world.with(|state| state.segments.keys().copied().collect::<Vec<_>>());
            let id = *self.dice.pick(&known).expect("there are some");
            let from = self.world.with(|state| {
                let offsets: Vec<_> = state.segments[&id].stored.iter().map(|stored| stored.offset).collect();
                self.dice.pick(&offsets).copied().unwrap_or(0)
            });
            let limits = PageLimits {
                events: 1 + self.dice.below(8),
                bytes: [1, 100, 10_000][self.dice.below(3)],
                max_event: LARGEST_PAGE,
            };
            let Ok(read) = timeout(PATIENCE, self.page(id, from, limits)).await else { continue };
            self.world.with(|state| match read {
                Ok(page) => state.check_page(id, from, &page),
                Err(Error::SegmentNotFound(_)) if state.segments[&id].is_deleted => {}
                Err(Error::Store(_)) if state.character.outages => {}
                Err(error) => state.misreadings.push(format!("{} from {from}: {error}", short(id))),
            });
        }
    }

    /// Reads every segment from its beginning to its end.
    pub(super) async fn read_all(self) {
        let live = |state: &mut State| {
            let live = state.segments.iter().filter(|(_, segment)| !segment.is_deleted);
            live.map(|(id, segment)| (*id, segment.length())).collect::<Vec<_>>()
        };
        let limits = PageLimits { events: LARGEST_PAGE, bytes: LARGEST_PAGE, max_event: LARGEST_PAGE };
        for (id, length) in self.world.with(live) {
            let mut at = 0;
            while at < length {
                let read = timeout(PATIENCE_IN_CALM, self.page(id, at, limits)).await;
                let Ok(Ok(page)) = read else {
                    let misreading = format!("{} from {at} in calm: {read:?}", short(id));
                    return self.world.with(|state| state.misreadings.push(misreading));
                };
                self.world.with(|state| {
                    state.check_page(id, at, &page);
                    if page.events.is_empty() {
                        state.misreadings.push(format!("{} from {at} has no events", short(id)));
                    }
                });
                at = page.next_offset.max(at + 1);
            }
        }
    }

    async fn page(&self, id: SegmentId, from: i64, limits: PageLimits) -> Result<Page, Error> {
        let name = self.world.with(|state| state.history.name_of(id));
        let mut permit = self.budget.nothing(Part::Pages);
        let state = self.reader.state(&name).await?;
        self.reader.page(&name, state, from, limits, &mut permit).await
    }
}

impl State {
    /// Compares a page with what is stored.
    fn check_page(&mut self, id: SegmentId, from: i64, page: &Page) {
        let segment = &self.segments[&id];
        let mut at = from;
        let mut wrong = None;
        for event in &page.events {
            let there = segment.stored.iter().find(|stored| stored.offset == at);
            let is_so = there.is_some_and(|stored| {
                let payload = stored.payload_in(&segment.data);
                (event.offset, event.next_offset) == (at, stored.next_offset) && event.payload == payload
            });
            if !is_so {
                wrong = wrong.or(Some(event.offset));
            }
            at = event.next_offset;
        }
        let is_closed = segment.is_sealed && at == segment.length();
        if wrong.is_some() || page.next_offset != at || (page.closed && !is_closed) {
            let what = format!("{} from {from}: wrong at {wrong:?}, ends at {at}, {page:?}", short(id));
            self.misreadings.push(what);
        }
    }
}
