//! Certificates: who gets one, what it covers, that it is minted once.

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::probe::KNOWN_NAME;
use crate::served::{DOMAIN, Served};

/// The certificate that a client of that name gets and has verified.
async fn leaf(served: &Served, name: &str) -> Option<Vec<u8>> {
    let stream = served.tls(name, &["h2"]).await.ok()?;
    Some(stream.get_ref().1.peer_certificates()?.first()?.to_vec())
}

#[tokio::test]
async fn names_that_are_ours_verify_and_others_are_refused() {
    let served = Served::start();
    let check = async |name: &str, expected: bool| {
        assert_eq!(leaf(&served, name).await.is_some(), expected, "{name}");
    };
    check("localhost", true).await;
    check("127.0.0.1", true).await;
    check("::1", true).await;
    check(DOMAIN, true).await;
    check(&format!("env-a.{DOMAIN}"), true).await;
    check(&format!("s3.env-a.{DOMAIN}"), true).await;
    check(&format!("bucket.s3.env-a.{DOMAIN}"), true).await;
    check(&format!("dotted.bucket.s3.env-a.{DOMAIN}"), true).await;
    check("MockFactory.LOCALHOST", true).await;
    check("other.localhost", true).await;
    check("s3.other.localhost", true).await;
    check(KNOWN_NAME, true).await;
    check(&format!("b.{KNOWN_NAME}"), false).await;
    check("example.com", false).await;
    check("host", false).await;
    check(&format!("not{DOMAIN}"), true).await; // under localhost all the same
    check("notlocalhost", false).await;
    check("10.0.0.1", false).await;
}

#[tokio::test]
async fn siblings_share_a_certificate_and_cousins_do_not() {
    let served = Served::start();
    let bucket_a = leaf(&served, &format!("a.s3.env-a.{DOMAIN}")).await.expect("leaf");
    let bucket_b = leaf(&served, &format!("b.s3.env-a.{DOMAIN}")).await.expect("leaf");
    let elsewhere = leaf(&served, &format!("a.s3.env-b.{DOMAIN}")).await.expect("leaf");
    assert_eq!(bucket_a, bucket_b);
    assert_ne!(bucket_a, elsewhere);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_come_together_get_one_minting() {
    const CLIENTS: usize = 24;
    let served = Arc::new(Served::start());
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let served = served.clone();
        clients.spawn(async move { leaf(&served, &format!("bucket-{number}.s3.env-a.{DOMAIN}")).await });
    }
    let mut leaves = clients.join_all().await;
    leaves.dedup();
    assert!(leaves.len() == 1 && leaves[0].is_some());
}

#[tokio::test]
async fn a_bad_handshake_harms_nobody() {
    let served = Served::start();
    let mut client = crate::served::Client::new(served.https);
    client.say(b"\x16\x03\x01\x00\x05hello");
    client.rest();
    assert!(leaf(&served, "localhost").await.is_some());
}
