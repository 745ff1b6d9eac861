//! Private connections: TLS by rustls with ring, where the address says `sslmode=require`. The certificate of the server is
//! always verified, which `require` does not ask of other clients: a connection that is private with whoever answers is not
//! private.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use segue::store::{StoreError, StoreErrorKind};
use tokio_postgres_rustls::MakeRustlsConnect;

/// What makes connections private.
pub(super) type Tls = MakeRustlsConnect;

/// Trusts what the system trusts, and these certificates, which are PEM.
///
/// # Errors
/// When they are none.
pub(super) fn connector(certificates: &[u8]) -> Result<Tls, StoreError> {
    let mut roots = RootCertStore::empty();
    // A system that trusts nobody, or in part cannot be read, still reaches servers whose authority is given.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for certificate in CertificateDer::pem_slice_iter(certificates) {
        let added = certificate
            .map_err(|error| error.to_string())
            .and_then(|certificate| roots.add(certificate).map_err(|error| error.to_string()));
        added.map_err(|error| {
            let message = format!("a certificate to trust cannot be read: {error}");
            StoreError::new(StoreErrorKind::Misused, message).hint("give it as PEM")
        })?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| StoreError::new(StoreErrorKind::Failed, format!("no TLS: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}
