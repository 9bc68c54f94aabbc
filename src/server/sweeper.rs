//! What has to be done now and then: forget what has expired, send again what could not be delivered, look after the keys.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use super::AuthorizationServer;
use super::driver::let_others_run;
use crate::protocol::{OAuthError, Reason};
use crate::record::{Event, EventKind, Key};

/// The most records that are forgotten in one step, between which requests come first.
const STEP: usize = 500;

/// How much a [`Sweeper`] does, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SweeperOptions {
    /// The time between two ticks, one minute: give or take a quarter of it, so that many processes do not keep step. A
    /// tenth of it after a tick that left work behind.
    pub interval: Duration,
    /// The most expired records that one tick forgets, 10,000.
    pub records: usize,
    /// The most pages of waiting messages that one tick looks through, 10, of at most 100 messages each. The next tick goes on
    /// behind them.
    pub pages: usize,
}

impl Default for SweeperOptions {
    fn default() -> Self {
        Self { interval: Duration::from_secs(60), records: 10_000, pages: 10 }
    }
}

/// Does in the background what no request waits for. Without it, or what it calls, a store only grows, and clients that could
/// not be reached once are never told.
///
/// It needs no runtime of its own: the host says how to sleep, or calls [`tick`](Self::tick) itself.
///
/// ```no_run
/// # async fn example(server: grantor::AuthorizationServer) {
/// let sweeper = grantor::server::Sweeper::new(server);
/// let sweeping = tokio::spawn(sweeper.run(tokio::time::sleep));
/// // … until the host stops:
/// sweeping.abort();
/// # }
/// ```
///
/// One in each process does no harm: a record is forgotten once, and a message is
/// [leased](crate::record::outbox) to one of them at a time. Dropped at any point, it leaves nothing half done.
#[derive(Debug)]
pub struct Sweeper {
    server: AuthorizationServer,
    options: SweeperOptions,
    /// Where the next tick goes on among the messages.
    after: Option<Key>,
}

/// What one tick has done.
#[derive(Clone, Debug, Default)]
pub struct Swept {
    /// How many expired records were forgotten.
    pub forgotten: usize,
    /// How many messages were tried to be delivered.
    pub tried: usize,
    /// Whether the tick came to its bounds, so that there may be more to do.
    pub unfinished: bool,
    /// What could not be done. It is in the audit trail as [`EventKind::SweepFailed`], and tried again at the next tick.
    pub errors: Vec<OAuthError>,
}

impl Sweeper {
    /// A sweeper with [`SweeperOptions::default`].
    #[must_use]
    pub fn new(server: AuthorizationServer) -> Self {
        Self::with_options(server, SweeperOptions::default())
    }

    /// A sweeper that does as much as this.
    #[must_use]
    pub const fn with_options(server: AuthorizationServer, options: SweeperOptions) -> Self {
        Self { server, options, after: None }
    }

    /// Ticks for ever, each time after a pause for which `sleep` waits; the first is as long as chance has it, so that
    /// processes that start together part. It stops when its future is dropped.
    pub async fn run<S: Future<Output = ()>>(self, sleep: impl Fn(Duration) -> S) {
        self.run_until(sleep, std::future::pending()).await;
    }

    /// As [`run`](Self::run), until `stop` is there: at once where it sleeps, else once the tick is done, which takes no longer
    /// than the store and, for each page of messages, the slowest client.
    pub async fn run_until<S: Future<Output = ()>>(
        mut self,
        sleep: impl Fn(Duration) -> S,
        stop: impl Future<Output = ()>,
    ) {
        let mut stop = pin!(stop);
        let mut pause = self.share_of_interval(self.chance());
        while slept(pin!(sleep(pause)), stop.as_mut()).await {
            let swept = self.tick().await;
            let about_all = 750 + self.chance() / 2;
            pause = self.share_of_interval(if swept.unfinished { about_all / 10 } else { about_all });
        }
    }

    /// Does what there is to do now, within the bounds. What cannot be done keeps nothing else from being done.
    pub async fn tick(&mut self) -> Swept {
        let mut swept = Swept::default();
        if let Err(error) = self.forget(&mut swept).await {
            self.failed(error, &mut swept);
        }
        if let Err(error) = self.server.signer().tend().await {
            self.failed(OAuthError::new(Reason::SigningUnavailable).detail(error.0), &mut swept);
        }
        if let Err(error) = self.deliver(&mut swept).await {
            self.failed(error, &mut swept);
        }
        swept
    }

    async fn forget(&self, swept: &mut Swept) -> Result<(), OAuthError> {
        while swept.forgotten < self.options.records {
            let step = STEP.min(self.options.records - swept.forgotten);
            let forgotten = self.server.purge(step).await?;
            swept.forgotten += forgotten;
            if forgotten < step {
                return Ok(());
            }
            let_others_run().await;
        }
        swept.unfinished |= self.options.records > 0;
        Ok(())
    }

    async fn deliver(&mut self, swept: &mut Swept) -> Result<(), OAuthError> {
        for _ in 0..self.options.pages {
            let (tried, next) = self.server.deliver_page(self.after, usize::MAX).await?;
            swept.tried += tried;
            self.after = next;
            if next.is_none() {
                return Ok(());
            }
        }
        swept.unfinished |= self.options.pages > 0;
        Ok(())
    }

    fn failed(&self, error: OAuthError, swept: &mut Swept) {
        #[cfg(feature = "tracing")]
        tracing::warn!(%error, "what is done now and then could not be");
        self.server.tell(Event::new(EventKind::SweepFailed).reason(error.reason()));
        swept.errors.push(error);
    }

    fn share_of_interval(&self, per_mille: u32) -> Duration {
        self.options.interval.saturating_mul(per_mille) / 1000
    }

    /// A number from 0 to 1000.
    fn chance(&self) -> u32 {
        let mut bytes = [0; 2];
        // Where there is no randomness, processes keep step for once.
        let _ = self.server.parts.entropy.fill(&mut bytes);
        u32::from(u16::from_be_bytes(bytes)) % 1001
    }
}

/// Whether the sleep was over before it was time to stop.
async fn slept(
    mut sleep: Pin<&mut impl Future<Output = ()>>,
    mut stop: Pin<&mut impl Future<Output = ()>>,
) -> bool {
    poll_fn(|task| {
        if stop.as_mut().poll(task).is_ready() {
            return Poll::Ready(false);
        }
        sleep.as_mut().poll(task).map(|()| true)
    })
    .await
}
