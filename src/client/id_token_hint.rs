//! An ID token that comes back as a hint (`id_token_hint`, OpenID Connect Core §3.1.2.1, RP-Initiated Logout §2).

use crate::record::key_ring::IdTokenHint;
use crate::record::{Client, Context, Facts, Halt};

/// What an ID token of ours says, expired or not; `None` when it is none. One with an HMAC is ours for the client that is
/// known to have brought it, and for no other.
///
/// # Errors
/// [`Halt::Need`] while the keys of the server are unknown.
pub fn read(
    token: &str,
    client: Option<&Client>,
    facts: &Facts,
    cx: &Context<'_>,
) -> Result<Option<IdTokenHint>, Halt> {
    let signed = facts.signing_keys()?.id_token_hint(token, cx.settings.issuer.as_str());
    Ok(signed.or_else(|| authenticated(token, client?, cx)))
}

#[cfg(feature = "aws-lc-rs")]
fn authenticated(token: &str, client: &Client, cx: &Context<'_>) -> Option<IdTokenHint> {
    use super::encryption::sealed_secrets;
    use crate::jose::{UnverifiedMac, Verification};

    let token = UnverifiedMac::parse(token).ok()?;
    let accepted = Verification::new(&["JWT"], cx.settings.id_token_macs()).or_untyped();
    let claims = sealed_secrets(client, cx).into_iter().find_map(|secret| {
        let secret = secret.open(&client.id, &cx.settings.sealer)?;
        token.verify(&secret, &accepted).ok()
    });
    let hint = IdTokenHint::read(&claims?, cx.settings.issuer.as_str())?;
    (hint.client == client.id.as_str()).then_some(hint)
}

/// Without a crypto backend no HMAC can be checked.
#[cfg(not(feature = "aws-lc-rs"))]
const fn authenticated(_: &str, _: &Client, _: &Context<'_>) -> Option<IdTokenHint> {
    None
}
