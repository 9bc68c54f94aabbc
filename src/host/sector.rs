//! Whether a client belongs to the sector that it names (OpenID Connect Core §8.1).

use url::Url;

use super::{Fetch, FetchError, FetchRequest};
use crate::client::{ClientMetadata, MetadataError, SubjectMetadata};

/// The longest document of a sector, in bytes.
const MAX_BYTES: usize = 256 * 1024;

/// Why a client is not shown to belong to its sector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SectorError {
    /// The document cannot be had.
    #[error("sector_identifier_uri cannot be fetched: {0}")]
    Fetch(#[from] FetchError),
    /// The answer is no document.
    #[error("sector_identifier_uri answers with status {0}")]
    Status(u16),
    /// The answer does not say that it is JSON.
    #[error("sector_identifier_uri answers with something other than JSON")]
    NotJson,
    /// The document says otherwise.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

/// Fetches the document at `sector_identifier_uri`, if the client has one, and checks that it lists every redirect URI. To
/// be done once, before the client is registered: otherwise a client could enter the sector of others and learn what they
/// call their users.
///
/// # Errors
/// [`SectorError`].
pub async fn verify_sector(fetch: &dyn Fetch, metadata: &ClientMetadata) -> Result<(), SectorError> {
    let Some(uri) = metadata.subject.sector_document()? else { return Ok(()) };
    let document = sector_document(fetch, uri).await?;
    Ok(SubjectMetadata::lists(&document, &metadata.redirect_uris)?)
}

/// The document of a sector, whatever it says.
pub(crate) async fn sector_document(fetch: &dyn Fetch, uri: Url) -> Result<Vec<u8>, SectorError> {
    let response = fetch.fetch(FetchRequest::get_json(uri, MAX_BYTES)).await?;
    if response.status != 200 {
        return Err(SectorError::Status(response.status));
    }
    if !response.is_json() {
        return Err(SectorError::NotJson);
    }
    Ok(response.body)
}
