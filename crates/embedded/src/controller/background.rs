//! What the controller does unasked: aborts transactions out of time, writes watermarks, applies retention.

use std::collections::HashMap;
use std::time::Duration;

use pravega_protocol::stream::ScopedStream;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use super::Controller;
use super::operations::{retention, transaction, writer};
use crate::node::ChangeError;

/// How often it is looked for transactions that are out of time.
const EXPIRY: Duration = Duration::from_secs(1);

/// How often watermarks are written, as in Pravega.
const WATERMARKS: Duration = Duration::from_secs(10);

/// How often streams are cut; Pravega does so every 30 minutes.
const RETENTION: Duration = Duration::from_secs(10);

/// How often transactions that ended long ago are forgotten.
const FORGETTING: Duration = Duration::from_secs(3600);

impl Controller {
    /// Keeps the catalog in order until it is dropped.
    ///
    /// # Cancel safety
    /// Each piece of work is one step, so dropping it leaves nothing half done.
    pub(crate) async fn run_background(self) {
        let (mut expiry, mut forgetting) = (ticks(EXPIRY), ticks(FORGETTING));
        let (mut watermarks, mut cuts) = (ticks(WATERMARKS), ticks(RETENTION));
        let mut silent = Silent::default();
        loop {
            let done = tokio::select! {
                _ = expiry.tick() => self.step_to_free(transaction::abort_overdue).await,
                _ = forgetting.tick() => self.step_to_free(transaction::forget_ended).await,
                _ = watermarks.tick() => self.write_watermarks(&mut silent).await,
                _ = cuts.tick() => self.retain().await,
            };
            if let Err(error) = done {
                tracing::error!(%error, "background work of the controller failed");
            }
        }
    }

    /// Cuts every stream that keeps data for a time or up to a size only.
    async fn retain(&self) -> Result<(), ChangeError> {
        for stream in self.look(retention::retained_streams).await? {
            self.step_to_free(|step| retention::retain(step, &stream)).await?;
        }
        Ok(())
    }

    async fn write_watermarks(&self, silent: &mut Silent) -> Result<(), ChangeError> {
        for stream in self.look(writer::marked_streams).await? {
            self.write_watermark(&stream, silent).await?;
        }
        Ok(())
    }

    async fn write_watermark(&self, stream: &ScopedStream, silent: &mut Silent) -> Result<(), ChangeError> {
        silent.see(stream, self.look(|state| writer::behind(state, stream)).await?);
        self.step(|step| writer::watermark(step, stream, |mark, timeout| silent.outlasts(stream, mark, timeout))).await
    }
}

/// Since when writers, by the keys of their marks, have said nothing newer than the last watermark.
#[derive(Debug, Default)]
struct Silent(HashMap<ScopedStream, HashMap<String, Instant>>);

impl Silent {
    fn see(&mut self, stream: &ScopedStream, behind: Vec<String>) {
        let before = self.0.remove(stream).unwrap_or_default();
        let since = |mark: &String| before.get(mark).copied().unwrap_or_else(Instant::now);
        let now: HashMap<_, _> =
            behind.into_iter().map(|mark| (since(&mark), mark)).map(|(at, mark)| (mark, at)).collect();
        if !now.is_empty() {
            self.0.insert(stream.clone(), now);
        }
    }

    /// Whether the writer has been silent for as many milliseconds.
    fn outlasts(&self, stream: &ScopedStream, mark: &str, timeout: i64) -> bool {
        let timeout = Duration::from_millis(timeout.max(0).cast_unsigned());
        self.0.get(stream).and_then(|marks| marks.get(mark)).is_some_and(|since| since.elapsed() >= timeout)
    }
}

fn ticks(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
