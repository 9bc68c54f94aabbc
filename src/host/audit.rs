//! The audit trail.

use crate::record::Event;

/// Is told what happened, after it was committed, at most once.
pub trait Audit: Send + Sync {
    /// Takes one event. It must not block; a trail that needs I/O queues the event.
    fn record(&self, event: Event);
}

/// Keeps no trail.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoAudit;

impl Audit for NoAudit {
    fn record(&self, _: Event) {}
}

impl<F: Fn(Event) + Send + Sync> Audit for F {
    fn record(&self, event: Event) {
        self(event);
    }
}
