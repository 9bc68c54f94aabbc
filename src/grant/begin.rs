//! How a grant begins at the token endpoint, with its tokens at once: someone other than a browser has said for whom the
//! client may act.

use super::issue::{self, TokenPlan};
use super::life;
use super::target::Target;
use crate::protocol::id::is_vschar;
use crate::protocol::scope::OFFLINE_ACCESS;
use crate::protocol::{GrantType, Reason, Scope, SubjectId};
use crate::record::exchange::Exchanged;
use crate::record::grant::{AuthenticatedSubject, Grant, GrantSubject};
use crate::record::{Client, Context, Decision, Facts, GrantId, Halt};

/// What a client may do from now on, and for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beginning {
    /// How it came to be allowed.
    pub grant_type: GrantType,
    /// For whom; `None` where the client acts for itself.
    pub subject: Option<AuthenticatedSubject>,
    /// Within which scope.
    pub scope: Scope,
    /// At which resources.
    pub target: Target,
    /// Whether it may go on beyond the first access token, if it is registered for refresh tokens.
    pub refreshable: bool,
    /// What it owes to a token that was given for it.
    pub exchange: Option<Exchanged>,
}

/// Begins a grant and issues its first tokens, for a client that has proved itself.
///
/// # Errors
/// [`Halt::Need`] while a fact is missing; `invalid_client` when the client is switched off, `invalid_grant` when the
/// subject is; `invalid_scope` beyond what the client is registered for.
pub fn with_tokens(
    beginning: Beginning,
    client: &Client,
    facts: &Facts,
    cx: &Context<'_>,
) -> Result<Decision<TokenPlan>, Halt> {
    let client_epoch = life::client_enabled(client, facts, cx)?.epoch;
    let Beginning { grant_type, subject, scope, target, refreshable, exchange } = beginning;
    let subject = match subject {
        Some(subject) => Some(acted_for(subject, facts, cx)?.ok_or(Reason::SubjectDisabled)?),
        None => None,
    };
    let scope = granted_scope(Some(&scope), client, cx)?;
    let id = GrantId(cx.id());
    let grant = Grant {
        subject,
        offline: scope.contains(OFFLINE_ACCESS),
        resources: target.resources.clone(),
        exchange: exchange.map(Box::new),
        ..Grant::begun(grant_type, client.id.clone(), client_epoch, scope, cx.now)
    };
    let scope = target.narrow(&grant.scope);
    issue::first_tokens(id, grant, client, (&scope, &target), refreshable, facts, cx)
}

/// What of its scope a client gets: all that it is registered for unless it asks for less, and no more.
///
/// # Errors
/// `invalid_scope` when it asks for more.
pub fn granted_scope(asked: Option<&Scope>, client: &Client, cx: &Context<'_>) -> Result<Scope, Reason> {
    let most = &cx.settings.scope;
    match asked {
        None => Ok(client.scope.intersection(most)),
        Some(asked) if asked.is_subset(&client.scope) && asked.is_subset(most) => {
            Ok(client.scope.intersection(asked))
        }
        Some(_) => Err(Reason::ScopeNotAllowed),
    }
}

/// The subject of a new grant; `None` for one that may not be acted for.
///
/// # Errors
/// [`Halt::Need`] while a fact is missing; those of [`check_subject`].
pub fn acted_for(
    subject: AuthenticatedSubject,
    facts: &Facts,
    cx: &Context<'_>,
) -> Result<Option<GrantSubject>, Halt> {
    let AuthenticatedSubject { id, authentication } = subject;
    check_subject(&id, facts)?;
    let standing = life::standing(facts.subject(cx.namespace().subject(&id))?);
    if standing.disabled || !life::has_account(&id, facts, cx)? {
        return Ok(None);
    }
    Ok(Some(GrantSubject { id, epoch: standing.epoch, authentication }))
}

/// Whether the host may call a user so: 1 to 255 printable ASCII characters (OpenID Connect Core §2), and not the name of a
/// client, whose own tokens bear it as their subject.
///
/// # Errors
/// [`Halt::Need`] while a fact is missing; `server_error`, for it is the host's mistake.
pub fn check_subject(subject: &SubjectId, facts: &Facts) -> Result<(), Halt> {
    if !is_vschar(subject.as_str()) {
        return Err(Reason::SubjectMalformed.into());
    }
    match facts.client(subject.as_str())? {
        Some(_) => Err(Reason::SubjectNamesClient.into()),
        None => Ok(()),
    }
}
