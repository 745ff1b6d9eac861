//! The guard over TLS: who is at the other end has to prove the name that was asked for, wherever the name led.

use std::sync::Arc;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use segue::ErrorKind;
use segue_tools::guard::{Guard, Outgoing, Policy, Ports};
use tokio_rustls::TlsAcceptor;

use crate::judged::Names;
use crate::reason;
use crate::server::{Server, sends_to, text};

/// A server that can prove to be `secure.example.org`, and a client that believes it.
fn certified() -> (TlsAcceptor, Arc<ClientConfig>) {
    let made = rcgen::generate_simple_self_signed(["secure.example.org".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let certificate = made.cert.der().clone();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("its versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .expect("they belong together");
    let mut roots = RootCertStore::empty();
    roots.add(certificate).expect("a certificate");
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("its versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    (TlsAcceptor::from(Arc::new(server)), Arc::new(client))
}

/// Names that lead to this machine.
fn guard() -> Guard {
    let policy = Policy {
        http: true,
        ports: Ports::Any,
        allow_private: vec!["127.0.0.2/32".parse().expect("a range")],
    };
    let names = Names::default()
        .with("secure.example.org", &[&["127.0.0.2"]])
        .with("other.example.org", &[&["127.0.0.2"]]);
    Guard::new(policy).resolver(names)
}

#[tokio::test]
async fn the_name_that_was_asked_for_has_to_be_proved() {
    let (tls, trust) = certified();
    let server = Server::start_with("127.0.0.2", Some(tls), |_| text("hello")).await;
    let port = server.address.port();
    let at = |host: &str| Outgoing::get(format!("https://{host}:{port}/"));
    let answer = guard()
        .trusting(trust.clone())
        .send(at("secure.example.org"))
        .await;
    assert_eq!(&*answer.expect("it is proved").body, b"hello");
    assert!(server.requests()[0].contains(&format!("host: secure.example.org:{port}")));

    for (guard, host) in [
        (guard().trusting(trust.clone()), "other.example.org"),
        (guard().trusting(trust), "127.0.0.2"),
        // Those the machine trusts have not heard of it.
        (guard(), "secure.example.org"),
    ] {
        let failure = guard.send(at(host)).await.expect_err("it is not proved");
        assert_eq!(failure.kind, ErrorKind::Network, "{host}: {failure}");
    }
    assert_eq!(
        server.requests().len(),
        1,
        "nothing was sent to who did not prove it"
    );
}

#[tokio::test]
async fn nobody_is_sent_from_https_to_http() {
    let (tls, trust) = certified();
    let plain = Server::start("127.0.0.2", |_| text("hello")).await;
    let to = plain.url("/");
    let server = Server::start_with("127.0.0.2", Some(tls), move |_| sends_to(302, &to)).await;
    let url = format!("https://secure.example.org:{}/", server.address.port());
    let failure = guard().trusting(trust).send(Outgoing::get(url)).await;
    assert_eq!(reason(&failure.expect_err("it is not followed")), "redirect");
    assert_eq!(plain.requests(), Vec::<String>::new());
}
