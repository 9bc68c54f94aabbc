//! Whether a client that registers belongs to the sector it names (OpenID Connect Core §8.1): otherwise it would learn what
//! others call their users.

use crate::client::{ClientMetadata, MetadataError, SubjectMetadata};
use crate::protocol::OAuthError;
use crate::record::{Facts, Halt};

/// # Errors
/// [`Halt::Need`] while the document of the sector is unknown; `invalid_client_metadata` when it cannot be had or does not
/// list every redirect URI.
pub(super) fn check(metadata: &ClientMetadata, facts: &Facts) -> Result<(), Halt> {
    let Some(uri) = metadata.subject.sector_document().map_err(OAuthError::from)? else { return Ok(()) };
    let missing = |why: &str| {
        let rule = MetadataError::Contradiction("sector_identifier_uri cannot be fetched");
        OAuthError::from(rule).detail(why)
    };
    let document = facts.sector_document(&uri)?.map_err(missing)?;
    Ok(SubjectMetadata::lists(document, &metadata.redirect_uris).map_err(OAuthError::from)?)
}
