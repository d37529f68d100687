//! Segments that hold one large event each until it is merged.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pravega_protocol::wire::WriterId;
use uuid::Uuid;

use super::attributes::{CREATION_EPOCH, CREATION_TIME, segment_type};
use crate::node::{ChangeError, NewSegment, Node, Purpose, SegmentKind, StoredSegment};

/// Silence after which no writer will complete the event.
const IDLE: Duration = Duration::from_secs(10 * 60);

/// Transient segments of other runs are removed, so all that there are belong to the first.
const FIRST_EPOCH: i64 = 1;

/// How often idle ones are looked for.
const SWEEP: Duration = Duration::from_secs(60);

/// A transient segment of a writer for a parent, which need not exist.
pub(super) fn transient(parent: &str, writer_id: WriterId, at: i64) -> NewSegment {
    let name = format!("{parent}#transient.{}.{}", writer_id.0.simple(), Uuid::new_v4().simple());
    let kind = SegmentKind::Transient;
    NewSegment { name, kind, attributes: vec![(CREATION_TIME, at), segment_type(kind), (CREATION_EPOCH, FIRST_EPOCH)] }
}

/// Removes those of an earlier run: their writers make new ones. Cancel safe.
pub(super) async fn remove_leftovers(node: &Arc<Node>) {
    remove(node, |_| true).await;
}

/// Removes idle ones from time to time; never returns. Cancel safe.
pub(super) async fn sweep(node: Arc<Node>) {
    let mut ticks = tokio::time::interval(SWEEP);
    loop {
        ticks.tick().await;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let since = i64::try_from(now.saturating_sub(IDLE).as_millis()).unwrap_or(0);
        remove(&node, |segment| segment.last_modified() < since).await;
    }
}

async fn remove(node: &Arc<Node>, is_left: impl Fn(&StoredSegment) -> bool) {
    let is_left = |segment: &&StoredSegment| segment.kind() == SegmentKind::Transient && is_left(segment);
    let names =
        node.look_durably(|state| state.segments().filter(is_left).map(|left| left.name().to_owned()).collect()).await;
    if let Err(error) = delete(node, names).await {
        tracing::warn!(%error, "transient segments could not be removed");
    }
}

async fn delete(node: &Arc<Node>, names: Result<Vec<String>, ChangeError>) -> Result<(), ChangeError> {
    for name in names? {
        // one that was merged meanwhile is gone
        node.change(Purpose::Free, |step| step.delete_segment(&name).is_ok()).await?;
    }
    Ok(())
}
