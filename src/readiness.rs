//! Probes Pravega periodically: for `/readyz`, and so that an idle gateway does not take a healthy controller for a
//! dead one.

use std::sync::Arc;
use std::time::Duration;

use futures::future::select_ok;
use parking_lot::Mutex;
use pravega_protocol::stream::SegmentName;
use tokio::time::timeout;

use crate::api::management::{Probe, Readiness};
use crate::segment_store::{self, Purpose, SegmentStore};

/// Pause after Pravega was reached.
const READY_PAUSE: Duration = Duration::from_secs(5);

/// Pause after it was not.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// Segments whose stores are tried: enough that they are not all in one, and no single store decides.
const PROBED_SEGMENTS: u32 = 8;

/// Longest wait for an answer.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest wait for the controller, so that what the stores say counts where it is silent.
const CONTROLLER_TIMEOUT: Duration = Duration::from_secs(4);

/// Starts to probe Pravega; the returned probe reports the last result. Ends with the runtime.
pub fn watch(store: SegmentStore) -> Probe {
    let last = Arc::new(Mutex::new(Readiness::NotReady("Pravega has not been probed yet".to_owned())));
    let seen = last.clone();
    tokio::spawn(async move {
        loop {
            let readiness = look(&store).await;
            let pause = if readiness == Readiness::Ready { READY_PAUSE } else { RETRY_PAUSE };
            let before = std::mem::replace(&mut *last.lock(), readiness.clone());
            if before != readiness {
                log(&readiness);
            }
            tokio::time::sleep(pause).await;
        }
    });
    Arc::new(move || seen.lock().clone())
}

fn log(readiness: &Readiness) {
    match readiness {
        Readiness::Ready => tracing::info!("ready"),
        Readiness::NotReady(reason) => tracing::warn!(reason, "not ready"),
    }
}

async fn look(store: &SegmentStore) -> Readiness {
    match timeout(PROBE_TIMEOUT, ask(store)).await {
        Ok(Ok(())) => Readiness::Ready,
        Ok(Err(reason)) => Readiness::NotReady(reason),
        Err(_) => Readiness::NotReady(format!("Pravega did not answer within {PROBE_TIMEOUT:?}")),
    }
}

/// The controller answers, or did lately, and one of the stores that it names says Hello. A controller that demands
/// credentials is enough.
async fn ask(store: &SegmentStore) -> Result<(), String> {
    let controller = store.controller();
    let stores = select_ok((0..PROBED_SEGMENTS).map(|number| Box::pin(reach_store(store, number))));
    let (probed, reached) = tokio::join!(timeout(CONTROLLER_TIMEOUT, controller.probe()), stores);
    if !controller.health().is_healthy() {
        return match probed {
            Ok(probed) => probed.map_err(|error| error.to_string()),
            Err(_) => Err(format!("the controller did not answer within {CONTROLLER_TIMEOUT:?}")),
        };
    }
    reached.map(drop).map_err(|error| error.to_string())
}

async fn reach_store(store: &SegmentStore, number: u32) -> Result<(), segment_store::Error> {
    match store.session(&any_segment(number), Purpose::Read).await {
        Ok(_) => Ok(()),
        Err(segment_store::Error::Controller(error)) if error.is_refusal() => Ok(()),
        Err(error) => Err(error),
    }
}

/// The controller says where a segment would be, whether there is one or not.
fn any_segment(number: u32) -> SegmentName {
    format!("_system/_readiness/{number}.#epoch.0").parse().expect("a valid name")
}
