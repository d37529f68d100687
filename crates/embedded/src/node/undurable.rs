//! Results that must not leave the process before the log is durable.

/// Place in the log; everything before it was written earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Position(pub(crate) u64);

/// The result of a step or a look, which no client may see before the log is durable up to `position`.
#[derive(Debug)]
#[must_use = "a client may see it only after `Node::durable`"]
pub(crate) struct Undurable<T> {
    pub(super) value: T,
    pub(super) position: Position,
}

impl<T> Undurable<T> {
    /// A value that depends on no step: it may be sent at once.
    pub(crate) fn known(value: T) -> Self {
        Self { value, position: Position::default() }
    }

    /// The same position with another value.
    pub(crate) fn map<U>(self, convert: impl FnOnce(T) -> U) -> Undurable<U> {
        Undurable { value: convert(self.value), position: self.position }
    }

    /// The value, without waiting; for what never leaves the process.
    pub(crate) fn into_inner(self) -> T {
        self.value
    }

    /// Looks at the value before it may be sent.
    pub(crate) fn value(&self) -> &T {
        &self.value
    }

    /// Takes the value out and keeps the position.
    pub(crate) fn split(self) -> (T, Undurable<()>) {
        (self.value, Undurable { value: (), position: self.position })
    }

    /// The value, and the position that the log must reach.
    pub(crate) fn into_parts(self) -> (T, Position) {
        (self.value, self.position)
    }
}

impl Undurable<()> {
    /// Another value at this position.
    pub(crate) fn with<T>(&self, value: T) -> Undurable<T> {
        Undurable { value, position: self.position }
    }
}

impl<T, E> Undurable<Result<T, E>> {
    /// The value with its position, or the error without one.
    pub(crate) fn transpose(self) -> Result<Undurable<T>, E> {
        let position = self.position;
        self.value.map(|value| Undurable { value, position })
    }
}
