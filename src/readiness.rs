//! Probes periodically whether Pravega can be reached. `/readyz` reports the result, and probing keeps an idle gateway
//! from considering a healthy controller dead.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use pravega_protocol::stream::SegmentName;

use crate::api::management::{Probe, Readiness};
use crate::controller;
use crate::segment_store::{Purpose, SegmentStore};

/// Pause after a successful probe.
const WELL: Duration = Duration::from_secs(5);

/// Pause after a failed probe.
const UNWELL: Duration = Duration::from_millis(500);

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Starts probing; the returned value reports the latest result. Probing ends with the runtime.
pub fn watch(store: SegmentStore) -> Probe {
    let last = Arc::new(Mutex::new(Readiness::NotReady("Pravega has not been probed yet".to_owned())));
    let seen = last.clone();
    tokio::spawn(async move {
        loop {
            let readiness = look(&store).await;
            let pause = if readiness == Readiness::Ready { WELL } else { UNWELL };
            let before = std::mem::replace(&mut *last.lock(), readiness.clone());
            if before != readiness {
                log_change(&readiness);
            }
            tokio::time::sleep(pause).await;
        }
    });
    Arc::new(move || seen.lock().clone())
}

fn log_change(readiness: &Readiness) {
    match readiness {
        Readiness::Ready => tracing::info!("ready"),
        Readiness::NotReady(reason) => tracing::warn!(reason, "not ready"),
    }
}

async fn look(store: &SegmentStore) -> Readiness {
    match tokio::time::timeout(PATIENCE, ask(store)).await {
        Ok(Ok(())) => Readiness::Ready,
        Ok(Err(reason)) => Readiness::NotReady(reason),
        Err(_) => Readiness::NotReady(format!("Pravega did not answer within {PATIENCE:?}")),
    }
}

/// The controller answers, and a store that it names says Hello. A controller that requires credentials is enough.
async fn ask(store: &SegmentStore) -> Result<(), String> {
    let controller = store.controller();
    controller.probe().await.map_err(|error| error.to_string())?;
    match store.session(&any_segment(), Purpose::Read).await {
        Ok(_) => Ok(()),
        Err(crate::segment_store::Error::Controller(controller::Error::Unauthenticated { .. })) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// The controller reports where a segment would be, whether it exists or not.
fn any_segment() -> SegmentName {
    "_system/_readiness/0.#epoch.0".parse().expect("a valid name")
}
