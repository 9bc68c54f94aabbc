//! TLS: with a certificate from files, or with one made at the start.

use axum_server::tls_rustls::RustlsConfig;
use rustls::crypto::aws_lc_rs;

use crate::args::Args;

/// What the flags ask for; none means plain HTTP. `host` is that of the issuer.
pub(crate) async fn config(args: &Args, host: &str) -> Result<Option<RustlsConfig>, String> {
    // Fails when there is one already, which is then as good.
    let _ = aws_lc_rs::default_provider().install_default();
    if args.tls_self_signed {
        let (certificate, key) = self_signed(host).map_err(|error| format!("--tls-self-signed: {error}"))?;
        let config = RustlsConfig::from_pem(certificate.into(), key.into()).await;
        return config.map(Some).map_err(|error| format!("--tls-self-signed: {error}"));
    }
    let (Some(certificate), Some(key)) = (&args.tls_cert, &args.tls_key) else { return Ok(None) };
    let config = RustlsConfig::from_pem_file(certificate, key).await;
    config.map(Some).map_err(|error| {
        format!("--tls-cert {}, --tls-key {}: {error}", certificate.display(), key.display())
    })
}

/// A certificate for `host` and this machine, and its key, in PEM.
fn self_signed(host: &str) -> Result<(String, String), rcgen::Error> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    let host = host.trim_matches(['[', ']']);
    if !names.iter().any(|name| name == host) {
        names.push(host.to_owned());
    }
    let made = rcgen::generate_simple_self_signed(names)?;
    Ok((made.cert.pem(), made.signing_key.serialize_pem()))
}
