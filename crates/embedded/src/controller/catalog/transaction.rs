//! Transactions: ids, leases, and what became of them.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Epoch;

/// The least and the most milliseconds that a transaction may live without a ping.
pub(crate) const MIN_LEASE: i64 = 10_000;
pub(crate) const MAX_LEASE: i64 = 600_000;

/// A transaction lives at most this many leases, and at most a day.
const LEASES: i64 = 1000;
const MAX_AGE: i64 = 24 * 3600 * 1000;

/// For how long it is remembered what became of a transaction, in milliseconds.
const REMEMBERED: i64 = 24 * 3600 * 1000;

/// The two halves of a UUID: the epoch that the transaction refers to in the highest 32 bits, a counter that all
/// streams share in the rest. Written as 32 hexadecimal digits, as in the names of its segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TransactionId {
    pub(crate) high: i64,
    pub(crate) low: i64,
}

impl TransactionId {
    pub(crate) fn new(epoch: u32, counter: i64) -> Self {
        Self { high: i64::from(epoch) << 32, low: counter }
    }

    /// The epoch whose segments the transaction writes to.
    pub(crate) fn epoch(self) -> u32 {
        (self.high >> 32) as u32
    }
}

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.high, self.low)
    }
}

impl std::str::FromStr for TransactionId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let id = u128::from_str_radix(text, 16)?;
        Ok(Self { high: (id >> 64) as i64, low: id as i64 })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Outcome {
    Committed,
    Aborted,
}

/// Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Transaction {
    /// When it is aborted unless it is pinged before.
    pub(crate) expires: i64,
    /// When it is aborted however often it is pinged.
    pub(crate) dies: i64,
    /// What became of it, and when; open without.
    pub(crate) ended: Option<(Outcome, i64)>,
}

/// Why a lease is not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::enum_variant_names, reason = "leases have bounds on all sides")]
pub(crate) enum LeaseRefused {
    TooShort,
    TooLong,
    /// It would outlast the transaction.
    TooOld,
}

impl Transaction {
    pub(crate) fn begin(lease: i64, now: i64) -> Result<Self, LeaseRefused> {
        match lease {
            ..MIN_LEASE => Err(LeaseRefused::TooShort),
            MIN_LEASE..=MAX_LEASE => {
                let dies = now + MAX_AGE.min(lease * LEASES);
                Ok(Self { expires: now + lease, dies, ended: None })
            }
            _ => Err(LeaseRefused::TooLong),
        }
    }

    /// The transaction with a new lease, of any length up to the longest.
    pub(crate) fn pinged(&self, lease: i64, now: i64) -> Result<Self, LeaseRefused> {
        if lease > MAX_LEASE {
            return Err(LeaseRefused::TooLong);
        }
        let expires = now.saturating_add(lease);
        if expires > self.dies { Err(LeaseRefused::TooOld) } else { Ok(Self { expires, ..self.clone() }) }
    }

    pub(crate) fn ended(&self, outcome: Outcome, now: i64) -> Self {
        Self { ended: Some((outcome, now)), ..self.clone() }
    }

    pub(crate) fn outcome(&self) -> Option<Outcome> {
        self.ended.map(|(outcome, _)| outcome)
    }

    /// Whether it is open and out of time.
    pub(crate) fn is_overdue(&self, now: i64) -> bool {
        self.ended.is_none() && now >= self.expires
    }

    /// Whether it ended so long ago that it may be forgotten.
    pub(crate) fn is_forgotten(&self, now: i64) -> bool {
        self.ended.is_some_and(|(_, ended)| now - ended > REMEMBERED)
    }
}

/// Whether a transaction of the one epoch can be committed into the segments of the active one: they have the
/// same numbers and ranges. Otherwise it is rolled over.
pub(crate) fn reaches(transaction: &Epoch, active: &Epoch) -> bool {
    transaction.number == active.number || transaction.reference == active.reference
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_carries_epoch_and_counter() {
        let id = TransactionId::new(2, 10);
        assert_eq!(id.to_string(), "0000000200000000000000000000000a");
        assert_eq!((id.epoch(), id.to_string().parse()), (2, Ok(id)));
        let negative = TransactionId { high: -1, low: i64::MIN };
        assert_eq!(negative.to_string().parse(), Ok(negative));
    }

    #[test]
    fn a_lease_lasts_from_ten_seconds_to_ten_minutes() {
        assert_eq!(Transaction::begin(9_999, 0), Err(LeaseRefused::TooShort));
        assert_eq!(Transaction::begin(600_001, 0), Err(LeaseRefused::TooLong));
        assert!(Transaction::begin(10_000, 0).is_ok() && Transaction::begin(600_000, 0).is_ok());
    }

    #[test]
    fn a_ping_moves_the_deadline_but_not_beyond_the_greatest_age() {
        let begun = Transaction::begin(10_000, 0).expect("a lease");
        assert!(!begun.is_overdue(9_999) && begun.is_overdue(10_000));
        let pinged = begun.pinged(5, 9_000).expect("short leases are fine");
        assert!(pinged.is_overdue(9_005));
        assert_eq!(begun.pinged(600_001, 0), Err(LeaseRefused::TooLong));
        assert_eq!(begun.pinged(10_000, 10_000_000), Err(LeaseRefused::TooOld));
        let long = Transaction::begin(600_000, 0).expect("a lease");
        assert_eq!(long.dies, MAX_AGE);
    }

    #[test]
    fn an_outcome_is_remembered_for_a_day() {
        let ended = Transaction::begin(10_000, 0).expect("a lease").ended(Outcome::Committed, 5);
        assert!(!ended.is_overdue(i64::MAX));
        assert!(!ended.is_forgotten(REMEMBERED + 5) && ended.is_forgotten(REMEMBERED + 6));
    }

    #[test]
    fn repeated_epochs_take_transactions_of_what_they_repeat() {
        let first = Epoch::first(2, 0, 0);
        let other = super::super::even_scale(&first, 1, 0);
        let repeated = first.repeated_as(2, 0);
        assert!(reaches(&first, &first) && reaches(&first, &repeated));
        assert!(!reaches(&first, &other));
    }
}
