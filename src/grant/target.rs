//! Where a token may be used: resource indicators (RFC 8707), and the format and life of the token they ask for.

use std::time::Duration;

use crate::protocol::{OAuthError, Params, Reason, Resource, Scope};
use crate::record::{Client, Context, Facts, Halt, TokenFormat};

/// The most resources one request may name.
pub const MAX_RESOURCES: usize = 16;

/// The audience of a token, and what follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The resources, sorted; empty means the issuer itself.
    pub resources: Vec<Resource>,
    /// The one format they share.
    pub format: TokenFormat,
    /// How long the token lives.
    pub lifetime: Duration,
    /// The scope values they understand; `None` means all.
    pub scope: Option<Scope>,
}

/// Reads the `resource` parameters, sorted and without repeats.
///
/// # Errors
/// `invalid_target` when one is malformed or there are more than [`MAX_RESOURCES`].
pub fn read_resources(params: &Params<'_>) -> Result<Vec<Resource>, OAuthError> {
    let mut resources = Vec::new();
    for text in params.all("resource") {
        if resources.len() == MAX_RESOURCES {
            return Err(Reason::ResourcesTooMany.into());
        }
        resources.push(Resource::parse(text).map_err(|_| OAuthError::new(Reason::ResourceMalformed))?);
    }
    resources.sort_unstable();
    resources.dedup();
    Ok(resources)
}

/// The target of a token for these resources.
///
/// # Errors
/// [`Halt::Need`] while a resource is unknown; `invalid_target` when there is no such resource or two need
/// different formats.
pub fn resolve(
    resources: &[Resource],
    client: &Client,
    facts: &Facts,
    cx: &Context<'_>,
) -> Result<Target, Halt> {
    let lifetimes = &cx.settings.lifetimes;
    let mut target: Option<Target> = None;
    for resource in resources {
        let server = facts.resource(resource)?.ok_or(Reason::ResourceUnknown)?;
        let lifetime = match server.format {
            TokenFormat::Opaque => server.lifetime.unwrap_or(lifetimes.opaque_access_token),
            TokenFormat::Jwt(_) => {
                server.lifetime.unwrap_or(lifetimes.jwt_access_token).min(cx.settings.longest_jwt)
            }
        };
        target = Some(match target {
            None => Target {
                resources: resources.to_vec(),
                format: server.format,
                lifetime,
                scope: server.scope.clone(),
            },
            Some(other) if other.format != server.format => return Err(Reason::ResourcesMixed.into()),
            Some(other) => Target {
                lifetime: other.lifetime.min(lifetime),
                scope: other.scope.zip(server.scope.as_ref()).map(|(a, b)| a.union(b)),
                ..other
            },
        });
    }
    let mut target = target.unwrap_or(Target {
        resources: Vec::new(),
        format: TokenFormat::Opaque,
        lifetime: lifetimes.opaque_access_token,
        scope: None,
    });
    if let Some(own) = client.lifetimes.access_token {
        target.lifetime = target.lifetime.min(own);
    }
    Ok(target)
}

impl Target {
    /// The part of `scope` that the resources understand.
    #[must_use]
    pub fn narrow(&self, scope: &Scope) -> Scope {
        self.scope.as_ref().map_or_else(|| scope.clone(), |own| scope.intersection(own))
    }
}

/// The resources a token request asks for, out of those granted; none asked means all of them (RFC 8707 §2.2).
///
/// # Errors
/// `invalid_target` when one was not granted.
pub fn within_grant(asked: &[Resource], granted: &[Resource]) -> Result<Vec<Resource>, OAuthError> {
    if asked.is_empty() {
        return Ok(granted.to_vec());
    }
    if asked.iter().all(|resource| granted.contains(resource)) {
        return Ok(asked.to_vec());
    }
    Err(Reason::ResourceBeyondGrant.into())
}
