//! The rules of grants, written a second time and in another way: what must come of each step.

use proptest::prelude::*;
use proptest::sample::Index;
use proptest_state_machine::ReferenceStateMachine;

use super::common::NOW;

/// The scope values, as bits: `read` and `write`.
pub(crate) const BOTH: u8 = 3;
const CODE_LIFE: u64 = 60;
const ACCESS_LIFE: u64 = 3600;
const REFRESH_IDLE: u64 = 14 * 24 * 3600;
const REFRESH_LIFE: u64 = 30 * 24 * 3600;
const RETRY_WINDOW: u64 = 10;
const RETRIES: u8 = 3;
const MAX_ACCESS: usize = 32;

/// A client of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// Confidential: its refresh tokens stay.
    Web,
    /// Public: its refresh tokens rotate.
    Spa,
    /// Acts for itself.
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

pub(crate) const SUBJECTS: [&str; 2] = ["alice", "bob"];

/// Whose standing changes.
#[derive(Clone, Copy, Debug)]
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

/// How a grant begins with its tokens.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Direct {
    Machine,
    Password,
    Extension(usize),
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

    /// Its place among `len`.
    pub(crate) fn index(self, len: usize) -> usize {
        if self.newest { len - 1 } else { self.index.index(len) }
    }
}

/// Something that happens. Where no client is named, it comes from the one to which the thing was issued.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A user signs in and allows a client a scope, at the API or at the issuer.
    Authorize {
        client: Who,
        subject: usize,
        scope: u8,
        api: bool,
    },
    /// A code is redeemed, with the right verifier or another.
    Redeem {
        code: Pick,
        client: Option<Who>,
        right: bool,
    },
    /// A refresh token is used, with a narrower scope perhaps, for the API perhaps.
    Refresh {
        token: Pick,
        client: Option<Who>,
        scope: Option<u8>,
        api: bool,
    },
    /// A grant begins at the token endpoint.
    Begin {
        how: Direct,
        client: Who,
        scope: Option<u8>,
    },
    RevokeAccess {
        token: Pick,
        client: Option<Who>,
    },
    RevokeRefresh {
        token: Pick,
        client: Option<Who>,
    },
    RevokeGrant {
        grant: Pick,
    },
    Stand {
        whose: Whose,
        change: Change,
    },
    Wait {
        seconds: u64,
    },
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

#[derive(Clone, Copy, Debug, Default)]
struct Standing {
    disabled: bool,
    epoch: u32,
}

#[derive(Clone, Debug)]
struct Grant {
    client: Who,
    subject: Option<usize>,
    epochs: (u32, u32),
    scope: u8,
    api: bool,
    ended: bool,
    /// Whether the code was spent, and until when it is good.
    code: Option<(bool, u64)>,
    refresh: Option<Family>,
    /// The live access tokens: by their place among all of them.
    access: Vec<usize>,
}

#[derive(Clone, Copy, Debug)]
struct Family {
    generation: u32,
    idle_until: u64,
    until: u64,
    /// When it was last rotated, and how often the retired token came again.
    rotated: Option<(u64, u8)>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Access {
    grant: usize,
    pub(crate) scope: u8,
    pub(crate) api: bool,
    until: u64,
}

/// Everything that was issued, and whether it lives.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) now: u64,
    clients: [Standing; 3],
    subjects: [Standing; 2],
    grants: Vec<Grant>,
    /// The grant of each code.
    pub(crate) codes: Vec<usize>,
    pub(crate) access: Vec<Access>,
    /// Grant and generation of each refresh token.
    pub(crate) refresh: Vec<(usize, u32)>,
    /// What the last step gave.
    pub(crate) outcome: Outcome,
}

impl Model {
    pub(crate) fn grants(&self) -> usize {
        self.grants.len()
    }

    pub(crate) fn ended(&self, grant: usize) -> bool {
        self.grants[grant].ended
    }

    pub(crate) fn owner_of_code(&self, code: usize) -> Who {
        self.grants[self.codes[code]].client
    }

    pub(crate) fn owner_of_refresh(&self, token: usize) -> Who {
        self.grants[self.refresh[token].0].client
    }

    pub(crate) fn owner_of_access(&self, token: usize) -> Who {
        self.grants[self.access[token].grant].client
    }

    /// Whether an access token must be good, and the contrary.
    pub(crate) fn lives(&self, token: usize) -> bool {
        let Access { grant, until, .. } = self.access[token];
        let grant = &self.grants[grant];
        self.now < until && grant.access.contains(&token) && self.usable(grant)
    }

    /// A live token implies a live grant, an enabled client and an active subject.
    fn usable(&self, grant: &Grant) -> bool {
        let client = self.clients[grant.client as usize];
        let subject = grant.subject.map(|subject| self.subjects[subject]).unwrap_or_default();
        !grant.ended && !client.disabled && !subject.disabled && (client.epoch, subject.epoch) == grant.epochs
    }

    fn begin(&mut self, client: Who, subject: Option<usize>, scope: u8, api: bool) -> usize {
        let epochs = (
            self.clients[client as usize].epoch,
            subject.map(|subject| self.subjects[subject].epoch).unwrap_or_default(),
        );
        self.grants.push(Grant {
            client,
            subject,
            epochs,
            scope,
            api,
            ended: false,
            code: None,
            refresh: None,
            access: Vec::new(),
        });
        self.grants.len() - 1
    }

    fn issue(&mut self, at: usize, scope: u8, api: bool) -> Outcome {
        let now = self.now;
        let lives = |token: &usize| now < self.access[*token].until;
        let mut access: Vec<usize> = self.grants[at].access.iter().copied().filter(lives).collect();
        access.drain(..access.len().saturating_sub(MAX_ACCESS - 1));
        access.push(self.access.len());
        self.grants[at].access = access;
        self.access.push(Access { grant: at, scope, api, until: now + ACCESS_LIFE });
        Outcome { granted: true, scope: Some(scope), refresh: self.grants[at].refresh.is_some() }
    }

    fn first_refresh(&mut self, at: usize) {
        let until = self.now + REFRESH_LIFE;
        let idle_until = until.min(self.now + REFRESH_IDLE);
        self.grants[at].refresh = Some(Family { generation: 0, idle_until, until, rotated: None });
        self.refresh.push((at, 0));
    }

    fn redeem(&mut self, at: usize, client: Who, right: bool) -> Outcome {
        let refused = Outcome::default();
        let grant = &self.grants[at];
        if self.clients[client as usize].disabled || client != grant.client || !right {
            return refused;
        }
        let Some((spent, until)) = grant.code else { return refused };
        if spent {
            self.grants[at].ended = true;
            return refused;
        }
        if self.now >= until || !self.usable(grant) {
            return refused;
        }
        self.grants[at].code = Some((true, until));
        self.first_refresh(at);
        self.issue(at, self.grants[at].scope, self.grants[at].api)
    }

    fn refresh(&mut self, token: usize, client: Who, asked: Option<u8>, api: bool) -> Outcome {
        let refused = Outcome::default();
        let (at, generation) = self.refresh[token];
        let grant = &self.grants[at];
        let disabled = self.clients[client as usize].disabled;
        let Some(family) = grant.refresh.filter(|_| !disabled && client == grant.client && !grant.ended)
        else {
            return refused;
        };
        let again = generation + 1 == family.generation
            && family.rotated.is_some_and(|(when, _)| self.now < when + RETRY_WINDOW);
        if generation != family.generation && !again {
            self.grants[at].ended = true;
            return refused;
        }
        if again && family.rotated.is_some_and(|(_, uses)| uses >= RETRIES) {
            return refused;
        }
        let scope = asked.unwrap_or(grant.scope);
        if self.now >= family.until
            || self.now >= family.idle_until
            || !self.usable(grant)
            || scope & !grant.scope != 0
            || (api && !grant.api)
        {
            return refused;
        }
        let mut after = family;
        if again {
            after.rotated = family.rotated.map(|(when, uses)| (when, uses + 1));
        } else {
            after.idle_until = family.until.min(self.now + REFRESH_IDLE);
            after.rotated = None;
            if client == Who::Spa {
                after.generation += 1;
                after.rotated = Some((self.now, 0));
            }
        }
        let api = api || grant.api;
        self.grants[at].refresh = Some(after);
        self.refresh.push((at, after.generation));
        self.issue(at, scope, api)
    }

    fn begin_with_tokens(&mut self, how: Direct, client: Who, asked: Option<u8>) -> Outcome {
        let (subject, allowed) = match how {
            Direct::Machine => (None, client == Who::Machine),
            Direct::Password => (Some(0), client == Who::Web),
            Direct::Extension(subject) => (Some(subject), client != Who::Machine),
        };
        let disabled = subject.is_some_and(|subject| self.subjects[subject].disabled);
        if !allowed || disabled || self.clients[client as usize].disabled {
            return Outcome::default();
        }
        let scope = asked.unwrap_or(BOTH);
        let at = self.begin(client, subject, scope, false);
        if subject.is_some() {
            self.first_refresh(at);
        }
        self.issue(at, scope, false)
    }

    /// Takes one access token back; a grant that has nothing left has ended.
    fn revoke_access(&mut self, token: usize, client: Who) {
        let at = self.access[token].grant;
        let disabled = self.clients[client as usize].disabled;
        let grant = &mut self.grants[at];
        if disabled || grant.ended || grant.client != client || !grant.access.contains(&token) {
            return;
        }
        grant.access.retain(|own| *own != token);
        let open = grant.code.is_some_and(|(spent, _)| !spent);
        grant.ended = grant.access.is_empty() && grant.refresh.is_none() && !open;
    }

    fn revoke_refresh(&mut self, token: usize, client: Who) {
        let disabled = self.clients[client as usize].disabled;
        let grant = &mut self.grants[self.refresh[token].0];
        grant.ended |= !disabled && grant.client == client;
    }

    fn standing(&mut self, whose: Whose) -> &mut Standing {
        match whose {
            Whose::Client(client) => &mut self.clients[client as usize],
            Whose::Subject(subject) => &mut self.subjects[subject],
        }
    }
}

impl ReferenceStateMachine for Model {
    type State = Self;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Self> {
        Just(Self { now: NOW, ..Self::default() }).boxed()
    }

    fn transitions(model: &Self) -> BoxedStrategy<Step> {
        let client = || prop::sample::select(&Who::ALL[..]);
        let signing_in = || prop::sample::select(&[Who::Web, Who::Spa][..]);
        let subject = || 0..SUBJECTS.len();
        let scope = || 1..=BOTH;
        let narrower = || prop::option::weighted(0.3, 1..=BOTH);
        let pick = Pick::any;
        let caller = || prop::option::weighted(0.15, client());
        let whose = prop_oneof![client().prop_map(Whose::Client), subject().prop_map(Whose::Subject)];
        let change = prop::sample::select(
            &[Change::Disable, Change::Enable, Change::Enable, Change::Enable, Change::RevokeAll][..],
        );
        let how =
            prop_oneof![Just(Direct::Machine), Just(Direct::Password), subject().prop_map(Direct::Extension)];
        let seconds = prop::sample::select(&[0, 1, 1, 4, 4, 9, 10, 59, 61, 1800, 3600, 1_000_000][..]);
        let mut steps = vec![
            (
                4,
                (signing_in(), subject(), scope(), any::<bool>())
                    .prop_map(|(client, subject, scope, api)| Step::Authorize { client, subject, scope, api })
                    .boxed(),
            ),
            (
                3,
                (how, client(), narrower())
                    .prop_map(|(how, client, scope)| Step::Begin { how, client, scope })
                    .boxed(),
            ),
            (2, seconds.prop_map(|seconds| Step::Wait { seconds }).boxed()),
            (1, (whose, change).prop_map(|(whose, change)| Step::Stand { whose, change }).boxed()),
            (1, Just(Step::Purge).boxed()),
        ];
        if !model.codes.is_empty() {
            let redeem = (pick(), caller(), prop::bool::weighted(0.9));
            steps.push((
                6,
                redeem.prop_map(|(code, client, right)| Step::Redeem { code, client, right }).boxed(),
            ));
        }
        if !model.refresh.is_empty() {
            let refresh = (pick(), caller(), narrower(), prop::bool::weighted(0.2));
            let refresh =
                refresh.prop_map(|(token, client, scope, api)| Step::Refresh { token, client, scope, api });
            steps.push((8, refresh.boxed()));
            let revoke = (pick(), caller());
            steps.push((1, revoke.prop_map(|(token, client)| Step::RevokeRefresh { token, client }).boxed()));
        }
        if !model.access.is_empty() {
            let revoke = (pick(), caller());
            steps.push((2, revoke.prop_map(|(token, client)| Step::RevokeAccess { token, client }).boxed()));
        }
        if !model.grants.is_empty() {
            steps.push((1, pick().prop_map(|grant| Step::RevokeGrant { grant }).boxed()));
        }
        prop::strategy::Union::new_weighted(steps).boxed()
    }

    fn apply(mut model: Self, step: &Step) -> Self {
        model.outcome = Outcome::default();
        match step {
            Step::Authorize { client, subject, scope, api } => {
                if !model.clients[*client as usize].disabled && !model.subjects[*subject].disabled {
                    let at = model.begin(*client, Some(*subject), *scope, *api);
                    model.grants[at].code = Some((false, model.now + CODE_LIFE));
                    model.codes.push(at);
                    model.outcome.granted = true;
                }
            }
            Step::Redeem { code, client, right } => {
                let at = model.codes[code.index(model.codes.len())];
                model.outcome = model.redeem(at, client.unwrap_or(model.grants[at].client), *right);
            }
            Step::Refresh { token, client, scope, api } => {
                let token = token.index(model.refresh.len());
                let client = client.unwrap_or(model.owner_of_refresh(token));
                model.outcome = model.refresh(token, client, *scope, *api);
            }
            Step::Begin { how, client, scope } => {
                model.outcome = model.begin_with_tokens(*how, *client, *scope);
            }
            Step::RevokeAccess { token, client } => {
                let token = token.index(model.access.len());
                model.revoke_access(token, client.unwrap_or(model.owner_of_access(token)));
            }
            Step::RevokeRefresh { token, client } => {
                let token = token.index(model.refresh.len());
                model.revoke_refresh(token, client.unwrap_or(model.owner_of_refresh(token)));
            }
            Step::RevokeGrant { grant } => {
                let at = grant.index(model.grants.len());
                model.grants[at].ended = true;
            }
            Step::Stand { whose, change } => {
                let standing = model.standing(*whose);
                standing.disabled = match change {
                    Change::Disable => true,
                    Change::Enable => false,
                    Change::RevokeAll => standing.disabled,
                };
                standing.epoch += u32::from(!matches!(change, Change::Enable));
            }
            Step::Wait { seconds } => model.now += seconds,
            Step::Purge => {}
        }
        model
    }
}
