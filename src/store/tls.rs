//! TLS to a database server.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;

/// TLS that trusts these authorities, in PEM; where there are none, those of the operating system.
///
/// # Errors
/// In words, when the authorities cannot be read.
pub(super) fn config(authorities: &str) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = if authorities.is_empty() {
        builder.with_platform_verifier().map_err(|error| error.to_string())?
    } else {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(authorities.as_bytes()) {
            let certificate = certificate.map_err(|error| error.to_string())?;
            roots.add(certificate).map_err(|error| error.to_string())?;
        }
        builder.with_root_certificates(roots)
    };
    Ok(builder.with_no_client_auth())
}
