//! The rules of grants, written a second time and in another way: what was issued, and whether it lives.

use proptest::prelude::*;
use proptest_state_machine::ReferenceStateMachine;

use super::common::NOW;
use super::step::{Change, Outcome, Step, Who, Whose};

const ACCESS_LIFE: u64 = 3600;
pub(crate) const REFRESH_IDLE: u64 = 14 * 24 * 3600;
const REFRESH_LIFE: u64 = 30 * 24 * 3600;
const MAX_ACCESS: usize = 32;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Standing {
    pub(crate) disabled: bool,
    pub(crate) epoch: u32,
}

#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) client: Who,
    pub(crate) subject: Option<usize>,
    pub(crate) epochs: (u32, u32),
    pub(crate) scope: u8,
    pub(crate) api: bool,
    pub(crate) ended: bool,
    /// Whether its user has not decided yet.
    pub(crate) pending: bool,
    /// The one user who can decide; `None` is whoever comes.
    pub(crate) asked: Option<usize>,
    /// The first of the grants whose tokens were exchanged for this one, and the token of it that was given.
    pub(crate) root: Option<(usize, usize)>,
    /// Whoever showed the last token to act by, and their epoch then.
    pub(crate) actor: Option<(Whose, u32)>,
    /// How many acted so far.
    pub(crate) actors: usize,
    /// Until when its tokens may live at most.
    pub(crate) until: u64,
    /// Whether the code was spent, and until when it is good.
    pub(crate) code: Option<(bool, u64)>,
    pub(crate) refresh: Option<Family>,
    /// The live access tokens: by their place among all of them.
    pub(crate) access: Vec<usize>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Family {
    pub(crate) generation: u32,
    pub(crate) idle_until: u64,
    pub(crate) until: u64,
    /// When it was last rotated, and how often the retired token came again.
    pub(crate) rotated: Option<(u64, u8)>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Access {
    pub(crate) grant: usize,
    pub(crate) scope: u8,
    pub(crate) api: bool,
    pub(crate) until: u64,
}

/// What another issuer said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Assertion {
    pub(crate) subject: usize,
    pub(crate) spent: bool,
    pub(crate) until: u64,
}

/// Everything that was issued.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) now: u64,
    pub(crate) clients: [Standing; 3],
    pub(crate) subjects: [Standing; 2],
    pub(crate) grants: Vec<Grant>,
    /// The grant of each code.
    pub(crate) codes: Vec<usize>,
    /// The grant of each device code, and of each request for a user.
    pub(crate) waiting: Vec<usize>,
    pub(crate) assertions: Vec<Assertion>,
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

    pub(crate) fn owner_of_waiting(&self, waiting: usize) -> Who {
        self.grants[self.waiting[waiting]].client
    }

    pub(crate) fn scope_of_waiting(&self, waiting: usize) -> u8 {
        self.grants[self.waiting[waiting]].scope
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

    /// A live token implies a live grant, an enabled client, an active subject, and the same of what it was exchanged for and of
    /// whoever acts.
    pub(crate) fn usable(&self, grant: &Grant) -> bool {
        let client = self.clients[grant.client as usize];
        let subject = grant.subject.map(|subject| self.subjects[subject]).unwrap_or_default();
        let rooted = grant.root.is_none_or(|(root, given)| {
            self.usable(&self.grants[root]) && self.grants[root].access.contains(&given)
        });
        let acting = grant.actor.is_none_or(|(whose, epoch)| {
            let standing = self.standing_of(whose);
            !standing.disabled && standing.epoch == epoch
        });
        let parties = !client.disabled && !subject.disabled;
        !grant.ended
            && !grant.pending
            && rooted
            && acting
            && parties
            && (client.epoch, subject.epoch) == grant.epochs
    }

    pub(crate) fn begin(&mut self, client: Who, subject: Option<usize>, scope: u8, api: bool) -> usize {
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
            pending: false,
            asked: None,
            root: None,
            actor: None,
            actors: 0,
            until: u64::MAX,
            code: None,
            refresh: None,
            access: Vec::new(),
        });
        self.grants.len() - 1
    }

    pub(crate) fn issue(&mut self, at: usize, scope: u8, api: bool) -> Outcome {
        let now = self.now;
        let lives = |token: &usize| now < self.access[*token].until;
        let mut access: Vec<usize> = self.grants[at].access.iter().copied().filter(lives).collect();
        access.drain(..access.len().saturating_sub(MAX_ACCESS - 1));
        access.push(self.access.len());
        self.grants[at].access = access;
        let until = self.grants[at].until.min(now + ACCESS_LIFE);
        self.access.push(Access { grant: at, scope, api, until });
        Outcome { granted: true, scope: Some(scope), refresh: self.grants[at].refresh.is_some() }
    }

    /// The refresh token of a grant, if its client has any.
    pub(crate) fn first_refresh(&mut self, at: usize) {
        if self.grants[at].client == Who::Machine {
            return;
        }
        let until = self.now + REFRESH_LIFE;
        let idle_until = until.min(self.now + REFRESH_IDLE);
        self.grants[at].refresh = Some(Family { generation: 0, idle_until, until, rotated: None });
        self.refresh.push((at, 0));
    }

    fn standing_of(&self, whose: Whose) -> Standing {
        match whose {
            Whose::Client(client) => self.clients[client as usize],
            Whose::Subject(subject) => self.subjects[subject],
        }
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
        Step::any(model)
    }

    /// A step needs something to be done with, also in the shorter sequences that a failure is tried in.
    fn preconditions(model: &Self, step: &Step) -> bool {
        step.is_possible(model)
    }

    fn apply(mut model: Self, step: &Step) -> Self {
        model.outcome = Outcome::default();
        match step {
            Step::Authorize { client, subject, scope, api, brings } => {
                model.outcome = model.authorize((*client, *subject), *scope, *api, *brings);
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
            Step::Device { client, scope } => model.outcome.granted = model.device(*client, *scope),
            Step::Ask { client, subject, scope } => {
                model.outcome.granted = model.ask(*client, *subject, *scope);
            }
            Step::Answer { waiting, subject, yes } => {
                let at = model.waiting[waiting.index(model.waiting.len())];
                model.outcome.granted = model.answer(at, *subject, *yes);
            }
            Step::Poll { waiting, client } => {
                let waiting = waiting.index(model.waiting.len());
                let client = client.unwrap_or(model.owner_of_waiting(waiting));
                model.outcome = model.poll(model.waiting[waiting], client);
            }
            Step::State { subject } => model.state(*subject),
            Step::Assert { assertion, client, scope } => {
                let at = assertion.index(model.assertions.len());
                model.outcome = model.assert(at, *client, *scope);
            }
            Step::Exchange { token, actor, client, scope } => {
                let token = token.index(model.access.len());
                let actor = actor.map(|actor| actor.index(model.access.len()));
                let client = client.unwrap_or(model.owner_of_access(token));
                model.outcome = model.exchange(token, actor, client, *scope);
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
