//! What can happen to grants, and how often each of it is tried.

use proptest::prelude::*;
use proptest::sample::Index;

use super::model::Model;

/// The scope values, as bits: `read` and `write`.
pub(crate) const BOTH: u8 = 3;
pub(crate) const SUBJECTS: [&str; 2] = ["alice", "bob"];

/// A client of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// Confidential: its refresh tokens stay. It wants to be told when a user whom it asked has answered.
    Web,
    /// Public: its refresh tokens rotate.
    Spa,
    /// Acts for itself, or asks until the user whom it named has answered; it has no refresh tokens.
    Machine,
}

impl Who {
    pub(crate) const ALL: [Self; 3] = [Self::Web, Self::Spa, Self::Machine];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Spa => "spa",
            Self::Machine => "machine",
        }
    }
}

/// Whose standing changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    Client(Who),
    Subject(usize),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    Disable,
    Enable,
    RevokeAll,
}

/// What a browser brings back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Brings {
    Code,
    Token,
    Both,
}

impl Brings {
    pub(crate) fn response_type(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Token => "id_token token",
            Self::Both => "code token",
        }
    }
}

/// How a grant begins with its tokens.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Direct {
    Machine,
    Password,
    Extension(usize),
}

impl Direct {
    /// One that may begin so.
    const fn client(self) -> Who {
        match self {
            Self::Machine => Who::Machine,
            Self::Password | Self::Extension(_) => Who::Web,
        }
    }
}

/// One of those that were issued so far: mostly the newest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pick {
    index: Index,
    newest: bool,
}

impl Pick {
    fn any() -> impl Strategy<Value = Self> {
        let newest = prop::bool::weighted(0.6);
        (any::<Index>(), newest).prop_map(|(index, newest)| Self { index, newest })
    }

    /// Any of them alike.
    fn anyone() -> impl Strategy<Value = Self> {
        any::<Index>().prop_map(|index| Self { index, newest: false })
    }

    /// Its place among `len`.
    pub(crate) fn index(self, len: usize) -> usize {
        if self.newest { len - 1 } else { self.index.index(len) }
    }
}

/// Something that happens. Where no client is named, it comes from the one to which the thing was issued.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A user signs in and allows a client a scope, at the API or at the issuer.
    Authorize { client: Who, subject: usize, scope: u8, api: bool, brings: Brings },
    /// A code is redeemed, with the right verifier or another.
    Redeem { code: Pick, client: Option<Who>, right: bool },
    /// A refresh token is used, with a narrower scope perhaps, for the API perhaps.
    Refresh { token: Pick, client: Option<Who>, scope: Option<u8>, api: bool },
    /// A device begins to wait for whoever enters its code.
    Device { client: Who, scope: u8 },
    /// A client names a user, and begins to wait for them.
    Ask { client: Who, subject: usize, scope: u8 },
    /// A user decides about what waits, on another device.
    Answer { waiting: Pick, subject: usize, yes: bool },
    /// A client asks whether its user has decided.
    Poll { waiting: Pick, client: Option<Who> },
    /// An access token is given for another, with a narrower scope perhaps, perhaps by someone who acts.
    Exchange { token: Pick, actor: Option<Pick>, client: Option<Who>, scope: Option<u8> },
    /// Another issuer says that a user is meant.
    State { subject: usize },
    /// A client presents what another issuer said.
    Assert { assertion: Pick, client: Who, scope: Option<u8> },
    /// A grant begins at the token endpoint.
    Begin { how: Direct, client: Who, scope: Option<u8> },
    /// An access token is revoked.
    RevokeAccess { token: Pick, client: Option<Who> },
    /// A refresh token is revoked.
    RevokeRefresh { token: Pick, client: Option<Who> },
    /// An operator ends a grant.
    RevokeGrant { grant: Pick },
    /// An operator switches someone off or on.
    Stand { whose: Whose, change: Change },
    /// Time passes.
    Wait { seconds: u64 },
    /// The store forgets what no longer matters.
    Purge,
}

/// What a step gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Whether it was granted.
    pub(crate) granted: bool,
    /// The access token's scope, where one was issued.
    pub(crate) scope: Option<u8>,
    /// Whether a refresh token came with it.
    pub(crate) refresh: bool,
}

impl Step {
    /// Whether it is about something that was issued.
    pub(crate) fn is_possible(&self, model: &Model) -> bool {
        match self {
            Self::Redeem { .. } => !model.codes.is_empty(),
            Self::Refresh { .. } | Self::RevokeRefresh { .. } => !model.refresh.is_empty(),
            Self::Exchange { .. } | Self::RevokeAccess { .. } => !model.access.is_empty(),
            Self::Answer { .. } | Self::Poll { .. } => !model.waiting.is_empty(),
            Self::Assert { .. } => !model.assertions.is_empty(),
            Self::RevokeGrant { .. } => model.grants() > 0,
            _ => true,
        }
    }

    /// Any step that is possible.
    pub(crate) fn any(model: &Model) -> BoxedStrategy<Self> {
        let mut steps = Weighted::default();
        beginnings(&mut steps);
        operators(&mut steps, model);
        if !model.codes.is_empty() {
            let right = prop::bool::weighted(0.9);
            steps.add(6, (Pick::any(), caller(), right), |(code, client, right)| Self::Redeem {
                code,
                client,
                right,
            });
        }
        if !model.waiting.is_empty() {
            let yes = prop::bool::weighted(0.8);
            steps.add(5, (Pick::any(), subject(), yes), |(waiting, subject, yes)| Self::Answer {
                waiting,
                subject,
                yes,
            });
            steps.add(5, (Pick::any(), caller()), |(waiting, client)| Self::Poll { waiting, client });
        }
        if !model.assertions.is_empty() {
            steps.add(4, (Pick::any(), client(), narrower()), |(assertion, client, scope)| Self::Assert {
                assertion,
                client,
                scope,
            });
        }
        if !model.access.is_empty() {
            let actor = prop::option::weighted(0.6, Pick::anyone());
            let exchange = (Pick::any(), actor, caller(), narrower());
            steps.add(8, exchange, |(token, actor, client, scope)| Self::Exchange {
                token,
                actor,
                client,
                scope,
            });
            steps.add(2, (Pick::any(), caller()), |(token, client)| Self::RevokeAccess { token, client });
        }
        if !model.refresh.is_empty() {
            let api = prop::bool::weighted(0.2);
            steps.add(8, (Pick::any(), caller(), narrower(), api), |(token, client, scope, api)| {
                Self::Refresh { token, client, scope, api }
            });
            steps.add(1, (Pick::any(), caller()), |(token, client)| Self::RevokeRefresh { token, client });
        }
        prop::strategy::Union::new_weighted(steps.0).boxed()
    }
}

/// Kinds of steps, and how often each is tried beside the others.
#[derive(Default)]
struct Weighted(Vec<(u32, BoxedStrategy<Step>)>);

impl Weighted {
    fn add<S: Strategy + 'static>(&mut self, weight: u32, of: S, step: impl Fn(S::Value) -> Step + 'static) {
        self.0.push((weight, of.prop_map(step).boxed()));
    }
}

/// What needs nothing that was issued before.
fn beginnings(steps: &mut Weighted) {
    let brings = prop::sample::select(&[Brings::Code, Brings::Code, Brings::Token, Brings::Both][..]);
    let request = (signing_in(), subject(), scope(), any::<bool>(), brings);
    steps.add(4, request, |(client, subject, scope, api, brings)| Step::Authorize {
        client,
        subject,
        scope,
        api,
        brings,
    });
    steps.add(2, (signing_in(), scope()), |(client, scope)| Step::Device { client, scope });
    steps.add(2, (client(), subject(), scope()), |(client, subject, scope)| Step::Ask {
        client,
        subject,
        scope,
    });
    steps.add(2, subject(), |subject| Step::State { subject });
    let how =
        prop_oneof![Just(Direct::Machine), Just(Direct::Password), subject().prop_map(Direct::Extension)];
    steps.add(4, (how, caller(), narrower()), |(how, client, scope)| Step::Begin {
        how,
        client: client.unwrap_or(how.client()),
        scope,
    });
    let seconds = prop::sample::select(&[0, 1, 1, 4, 4, 9, 10, 59, 61, 1800, 3600, 1_000_000][..]);
    steps.add(2, seconds, |seconds| Step::Wait { seconds });
    steps.add(1, Just(()), |()| Step::Purge);
}

fn operators(steps: &mut Weighted, model: &Model) {
    let whose = prop_oneof![client().prop_map(Whose::Client), subject().prop_map(Whose::Subject)];
    let change = prop::sample::select(
        &[Change::Disable, Change::Enable, Change::Enable, Change::Enable, Change::RevokeAll][..],
    );
    steps.add(2, (whose, change), |(whose, change)| Step::Stand { whose, change });
    if model.grants() > 0 {
        steps.add(1, Pick::any(), |grant| Step::RevokeGrant { grant });
    }
}

fn client() -> impl Strategy<Value = Who> {
    prop::sample::select(&Who::ALL[..])
}

fn signing_in() -> impl Strategy<Value = Who> {
    prop::sample::select(&[Who::Web, Who::Spa][..])
}

fn subject() -> impl Strategy<Value = usize> {
    0..SUBJECTS.len()
}

fn scope() -> impl Strategy<Value = u8> {
    1..=BOTH
}

fn narrower() -> impl Strategy<Value = Option<u8>> {
    prop::option::weighted(0.3, scope())
}

/// Mostly the one to which the thing was issued.
fn caller() -> impl Strategy<Value = Option<Who>> {
    prop::option::weighted(0.15, client())
}
