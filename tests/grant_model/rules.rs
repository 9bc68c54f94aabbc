//! The rules of grants, written a second time and in another way: what must come of each step.

use super::model::{Access, Assertion, Grant, Model, REFRESH_IDLE, Standing};
use super::step::{BOTH, Brings, Direct, Outcome, Who, Whose};

const CODE_LIFE: u64 = 60;
const WAITING_LIFE: u64 = 600;
const RETRY_WINDOW: u64 = 10;
const RETRIES: u8 = 3;
const MAX_ACTORS: usize = 8;
/// How long the other issuer says that its word counts, and how much longer it is taken.
const ASSERTION_LIFE: u64 = 300;
const LEEWAY: u64 = 60;
/// How long tokens live that were got for it.
const JWT_LIFE: u64 = 600;

impl Model {
    /// What a response type names is issued.
    pub(crate) fn authorize(
        &mut self,
        (client, subject): (Who, usize),
        scope: u8,
        api: bool,
        brings: Brings,
    ) -> Outcome {
        if self.clients[client as usize].disabled || self.subjects[subject].disabled {
            return Outcome::default();
        }
        let at = self.begin(client, Some(subject), scope, api);
        if brings != Brings::Token {
            self.grants[at].code = Some((false, self.now + CODE_LIFE));
            self.codes.push(at);
        }
        match brings {
            Brings::Code => Outcome { granted: true, ..Outcome::default() },
            Brings::Token | Brings::Both => self.issue(at, scope, api),
        }
    }

    pub(crate) fn redeem(&mut self, at: usize, client: Who, right: bool) -> Outcome {
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

    pub(crate) fn refresh(&mut self, token: usize, client: Who, asked: Option<u8>, api: bool) -> Outcome {
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

    /// A device begins to wait for whoever enters its code.
    pub(crate) fn device(&mut self, client: Who, scope: u8) -> bool {
        self.wait(client, None, scope)
    }

    /// Nobody is asked who may not be acted for, and by nobody who cannot prove to be the client.
    pub(crate) fn ask(&mut self, client: Who, subject: usize, scope: u8) -> bool {
        client != Who::Spa && !self.subjects[subject].disabled && self.wait(client, Some(subject), scope)
    }

    fn wait(&mut self, client: Who, asked: Option<usize>, scope: u8) -> bool {
        if self.clients[client as usize].disabled {
            return false;
        }
        let at = self.begin(client, None, scope, false);
        let until = self.now + WAITING_LIFE;
        let waiting = Grant { pending: true, asked, code: Some((false, until)), ..self.grants[at].clone() };
        self.grants[at] = waiting;
        self.waiting.push(at);
        true
    }

    /// The first decision counts, and only in time, while the client stands as it did when it asked. A device is let in by anyone;
    /// who was asked answers alone, and can say no even once they are switched off themselves.
    pub(crate) fn answer(&mut self, at: usize, subject: usize, yes: bool) -> bool {
        let now = self.now;
        let Standing { disabled, epoch } = self.subjects[subject];
        let grant = &mut self.grants[at];
        let client = self.clients[grant.client as usize];
        let stands = !client.disabled && client.epoch == grant.epochs.0;
        let may = stands
            && match grant.asked {
                None => !disabled,
                Some(asked) => asked == subject && !(yes && disabled),
            };
        let open = grant.pending && !grant.ended && grant.code.is_some_and(|(_, until)| now < until);
        if !open || !may {
            return false;
        }
        grant.pending = !yes;
        grant.ended = !yes;
        if yes {
            grant.subject = Some(subject);
            grant.epochs.1 = epoch;
        }
        true
    }

    pub(crate) fn poll(&mut self, at: usize, client: Who) -> Outcome {
        let refused = Outcome::default();
        let grant = &self.grants[at];
        if self.clients[client as usize].disabled || client != grant.client {
            return refused;
        }
        let Some((spent, until)) = grant.code else { return refused };
        if spent || self.now >= until {
            self.grants[at].ended = true;
            return refused;
        }
        if !self.usable(grant) {
            return refused;
        }
        self.grants[at].code = Some((true, until));
        self.first_refresh(at);
        self.issue(at, self.grants[at].scope, self.grants[at].api)
    }

    /// What is got is for the same place, with no more scope, and ends no later; it dies with its root, with the token of it
    /// that was given, and with whoever acts.
    pub(crate) fn exchange(
        &mut self,
        token: usize,
        actor: Option<usize>,
        client: Who,
        asked: Option<u8>,
    ) -> Outcome {
        let Access { grant, scope, api, until } = self.access[token];
        let wished = asked.unwrap_or(scope);
        let subject = &self.grants[grant];
        let own = subject.client == client && client != Who::Spa && !self.clients[client as usize].disabled;
        let alive = self.lives(token) && actor.is_none_or(|actor| self.lives(actor));
        let actors = subject.actors + usize::from(actor.is_some());
        if !own || !alive || wished & !scope != 0 || actors > MAX_ACTORS {
            return Outcome::default();
        }
        let (who, root) = (subject.subject, subject.root.unwrap_or((grant, token)));
        let acting = actor.map(|actor| self.acts(actor)).or(subject.actor);
        let until = actor.map_or(until, |actor| until.min(self.access[actor].until));
        let at = self.begin(client, who, wished, api);
        let exchanged = &mut self.grants[at];
        (exchanged.root, exchanged.until) = (Some(root), until);
        (exchanged.actor, exchanged.actors) = (acting, actors);
        self.issue(at, wished, api)
    }

    /// Whom a token speaks of, and their epoch: its user, or else the client that it was first issued to.
    fn acts(&self, token: usize) -> (Whose, u32) {
        let grant = &self.grants[self.access[token].grant];
        match grant.subject {
            Some(subject) => (Whose::Subject(subject), grant.epochs.1),
            None => {
                let first = grant.root.map_or(grant, |(root, _)| &self.grants[root]);
                (Whose::Client(first.client), first.epochs.0)
            }
        }
    }

    /// Another issuer says that a user is meant.
    pub(crate) fn state(&mut self, subject: usize) {
        let until = self.now + ASSERTION_LIFE + LEEWAY;
        self.assertions.push(Assertion { subject, spent: false, until });
    }

    /// What another issuer said counts once, whoever of those that prove themselves presents it, and a refusal spends nothing.
    pub(crate) fn assert(&mut self, at: usize, client: Who, asked: Option<u8>) -> Outcome {
        let Assertion { subject, spent, until } = self.assertions[at];
        let disabled = self.clients[client as usize].disabled || self.subjects[subject].disabled;
        if client == Who::Spa || disabled || spent || self.now >= until {
            return Outcome::default();
        }
        self.assertions[at].spent = true;
        let scope = asked.unwrap_or(BOTH);
        let at = self.begin(client, Some(subject), scope, false);
        self.grants[at].until = self.now + JWT_LIFE;
        self.issue(at, scope, false)
    }

    pub(crate) fn begin_with_tokens(&mut self, how: Direct, client: Who, asked: Option<u8>) -> Outcome {
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
    pub(crate) fn revoke_access(&mut self, token: usize, client: Who) {
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

    pub(crate) fn revoke_refresh(&mut self, token: usize, client: Who) {
        let disabled = self.clients[client as usize].disabled;
        let grant = &mut self.grants[self.refresh[token].0];
        grant.ended |= !disabled && grant.client == client;
    }
}
