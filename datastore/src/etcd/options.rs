//! Which etcd, and how to get into it.

use std::fmt;
use std::time::Duration;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use crate::error::Error;

/// Which etcd, and how to get into it. Plain values: files are read by who makes this.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where its members listen for clients, `https://10.0.0.1:2379`; `http://` without TLS. The one that answered
    /// last is asked first.
    pub endpoints: Vec<String>,
    /// Under which all keys are, such as `fabric`. One fabric has one, and nothing else is there.
    pub prefix: String,
    /// For endpoints with `https://`.
    pub tls: Option<Tls>,
    /// For an etcd with authentication.
    pub credentials: Option<Credentials>,
}

/// Whom to trust, and who we are. Contents of PEM files.
#[derive(Clone)]
pub struct Tls {
    /// The authorities of the members' certificates.
    pub ca: Vec<u8>,
    /// Our own certificate with its chain, and its key, if the members want one.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
}

/// A user of etcd.
#[derive(Clone)]
pub struct Credentials {
    /// The name.
    pub username: String,
    /// The password.
    pub password: String,
}

// Neither keys nor passwords get into a log.
impl fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tls").field("identity", &self.identity.is_some()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(2);

/// How often a connection that is in use is tried. Members take offence at less than five seconds.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// What the members may take to answer that.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);

impl Options {
    /// The prefix with a slash before and after it.
    pub(super) fn root(&self) -> Result<String, Error> {
        let prefix = self.prefix.trim_matches('/');
        let right = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
        if prefix.split('/').any(|part| part.is_empty() || !part.chars().all(right)) {
            return Err(Error::Refused(format!(
                "\"{}\" is no prefix of keys in etcd; write letters, digits, '-', '_' and '.', like \"fabric\"",
                self.prefix
            )));
        }
        Ok(format!("/{prefix}/"))
    }

    /// The endpoints with their names, none of them connected yet.
    pub(super) fn parse(&self) -> Result<Vec<(String, Endpoint)>, Error> {
        if self.endpoints.is_empty() {
            return Err(Error::Refused("there is no endpoint of etcd; name at least one".to_owned()));
        }
        let tls = self.tls.as_ref().map(client_config).transpose()?;
        self.endpoints.iter().map(|text| Ok((text.clone(), endpoint(text, tls.as_ref())?))).collect()
    }
}

fn endpoint(text: &str, tls: Option<&ClientTlsConfig>) -> Result<Endpoint, Error> {
    let refused = |what: &str| Error::Refused(format!("endpoint \"{text}\" of etcd {what}"));
    let example = "is no URL; write it like https://10.0.0.1:2379";
    let endpoint = Endpoint::from_shared(text.to_owned()).map_err(|_| refused(example))?;
    let uri = endpoint.uri();
    if uri.authority().is_none() || !uri.path().trim_matches('/').is_empty() {
        return Err(refused(example));
    }
    let endpoint = endpoint
        .connect_timeout(CONNECT)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        // Without this, members count pings on an idle connection as an attack.
        .keep_alive_while_idle(false)
        .tcp_nodelay(true)
        .tcp_keepalive(Some(KEEPALIVE));
    match (endpoint.uri().scheme_str(), tls) {
        (Some("http"), None) => Ok(endpoint),
        (Some("https"), Some(tls)) => endpoint
            .tls_config(tls.clone())
            .map_err(|error| refused(&format!("cannot be used with TLS: {}", root_cause(&error)))),
        (Some("http"), Some(_)) => {
            Err(refused("has no TLS, but TLS is configured; write https:// or remove tls"))
        }
        (Some("https"), None) => {
            Err(refused("wants TLS; say in tls which authorities to trust, or write http://"))
        }
        _ => Err(refused(example)),
    }
}

/// Checked here, since what cannot be read later is silently trusted less.
fn client_config(tls: &Tls) -> Result<ClientTlsConfig, Error> {
    let refused = |what: String| Error::Refused(format!("the CA certificates for etcd {what}"));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&tls.ca) {
        let certificate = certificate.map_err(|error| refused(format!("are no PEM: {error}")))?;
        roots.add(certificate).map_err(|error| refused(format!("cannot be used: {error}")))?;
    }
    if roots.is_empty() {
        return Err(refused(
            "hold no certificate; name a file with \"-----BEGIN CERTIFICATE-----\"".to_owned(),
        ));
    }
    let config = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&tls.ca));
    Ok(match &tls.identity {
        Some((certificate, key)) => config.identity(Identity::from_pem(certificate, key)),
        None => config,
    })
}

/// What an error is about in the end.
pub(super) fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
