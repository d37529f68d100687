use tokio::time::Instant;

/// What happens, line by line, if a trace is wanted.
pub(super) struct Trace {
    begun: Instant,
    lines: Option<Vec<String>>,
}

impl Trace {
    pub(super) fn new(is_wanted: bool) -> Self {
        Self { begun: Instant::now(), lines: is_wanted.then(Vec::new) }
    }

    pub(super) fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{:>9.3} {}", self.begun.elapsed().as_secs_f64(), line()));
        }
    }

    pub(super) fn take(&mut self) -> Vec<String> {
        self.lines.take().unwrap_or_default()
    }
}
