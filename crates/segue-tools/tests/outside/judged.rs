//! The table of addresses that have to be refused, each in four ways, with the reason; and that nothing is asked or sent for
//! one of them.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use proptest::prelude::*;
use segue::ErrorKind;
use segue_tools::guard::{Connect, Guard, Outgoing, Policy, Ports, Reason, Resolve, judge};
use tokio::net::TcpStream;

use crate::reason;

/// Counts look-ups, and answers them from a table; else with a public address.
#[derive(Clone, Default)]
pub(crate) struct Names {
    pub(crate) asked: Arc<Mutex<Vec<String>>>,
    known: Arc<Mutex<HashMap<String, Vec<Vec<IpAddr>>>>>,
}

impl Names {
    /// What a name leads to: at the first look-up, at the second, and so on; the last stays.
    pub(crate) fn with(self, name: &str, answers: &[&[&str]]) -> Self {
        let address = |text: &&str| text.parse().expect("an address");
        let answers = answers.iter().map(|answer| answer.iter().map(address).collect());
        let mut known = self.known.lock().expect("nobody panics");
        known.insert(name.to_owned(), answers.collect());
        drop(known);
        self
    }

    pub(crate) fn count(&self) -> usize {
        self.asked.lock().expect("nobody panics").len()
    }
}

impl Resolve for Names {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        let mut asked = self.asked.lock().expect("nobody panics");
        let times = asked.iter().filter(|known| *known == name).count();
        asked.push(name.to_owned());
        let known = self.known.lock().expect("nobody panics");
        let answer = known
            .get(name)
            .and_then(|answers| answers.get(times).or(answers.last()));
        let answer = answer
            .cloned()
            .unwrap_or_else(|| vec![IpAddr::from([93, 184, 215, 14])]);
        Box::pin(async move { Ok(answer) })
    }
}

/// Remembers what it was to connect to, and connects to nothing.
#[derive(Clone, Default)]
pub(crate) struct NoWire(pub(crate) Arc<Mutex<Vec<SocketAddr>>>);

impl Connect for NoWire {
    fn connect(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<TcpStream>> {
        self.0.lock().expect("nobody panics").push(address);
        Box::pin(async { Err(io::Error::other("this test has no wire")) })
    }
}

impl NoWire {
    pub(crate) fn taken(&self) -> Vec<SocketAddr> {
        std::mem::take(&mut *self.0.lock().expect("nobody panics"))
    }
}

/// Addresses that lead where nothing may be fetched, and why. Those of `http` are refused for that as they are written.
const REFUSED: &[(&str, Reason)] = &[
    ("http://127.0.0.1/", Reason::Address),
    ("http://localhost/", Reason::Host),
    ("http://sub.localhost/", Reason::Host),
    ("http://127.1/", Reason::Address),
    ("http://2130706433/", Reason::Address),
    ("http://0177.0.0.1/", Reason::Address),
    ("http://0/", Reason::Address),
    ("http://①②⑦.⓪.⓪.①/", Reason::Address),
    ("http://loc%61lhost/", Reason::Host),
    ("http://[::1]/", Reason::Address),
    ("http://[::]/", Reason::Address),
    ("http://[::ffff:127.0.0.1]/", Reason::Address),
    ("http://[64:ff9b::7f00:1]/", Reason::Address),
    ("http://[2002:7f00:1::]/", Reason::Address),
    ("http://[fe80::1]/", Reason::Address),
    ("http://[fc00::1]/", Reason::Address),
    ("http://[ff02::1]/", Reason::Address),
    ("http://[2001:db8::1]/", Reason::Address),
    ("http://169.254.169.254/latest/meta-data/", Reason::Address),
    ("http://2852039166", Reason::Address),
    ("http://metadata.google.internal/", Reason::Host),
    ("http://10.0.0.1/", Reason::Address),
    ("http://192.168.1.1/", Reason::Address),
    ("http://100.64.0.1/", Reason::Address),
    ("http://192.0.2.1/", Reason::Address),
    ("http://224.0.0.1/", Reason::Address),
    ("http://1.1.1.1@127.0.0.1/", Reason::Userinfo),
    ("http:127.0.0.1/", Reason::Address),
    // Beyond the list: further spellings, and the services of clouds.
    ("http://0x7f.1/", Reason::Address),
    ("http://0x7f000001/", Reason::Address),
    ("http://127.0.0.1./", Reason::Address),
    ("http://%31%32%37.0.0.1/", Reason::Address),
    ("http://127。0。0。1/", Reason::Address),
    ("http://１２７.0.0.1/", Reason::Address),
    ("http://[::127.0.0.1]/", Reason::Address),
    ("http://[::ffff:0:7f00:1]/", Reason::Address),
    ("http://[64:ff9b:1::7f00:1]/", Reason::Address),
    ("http://[2001:0:7f00:1::]/", Reason::Address),
    ("http://[fec0::1]/", Reason::Address),
    ("http://[4000::1]/", Reason::Address),
    ("http://168.63.129.16/metadata/", Reason::Address),
    ("http://100.100.100.200/", Reason::Address),
    ("http://[fd00:ec2::254]/", Reason::Address),
    ("http://255.255.255.255/", Reason::Address),
    ("http://LOCALHOST./", Reason::Host),
    ("http://metadata.google.internal./", Reason::Host),
    ("http://metadata.goog/", Reason::Host),
    ("http://printer.local/", Reason::Host),
    ("http://intranet/", Reason::Host),
    ("http://user:s3cret@example.com/", Reason::Userinfo),
    ("http://:s3cret@example.com/", Reason::Userinfo),
];

/// What is no address, whatever is allowed.
const NONE: &[&str] = &[
    "http://127.0.0.1\\@1.1.1.1/",
    "ht\ntp://127.0.0.1/",
    "http://example.com/\r\nx",
    "http://1.2.3.4.5/",
    "http://exa mple.com/",
    " http://example.com/",
    "http://example.com/\u{a0}",
    "http://exam\tple.com/",
    "http://example.com/\0",
    "http://[fe80::1%25eth0]/",
    "http://[::1/",
    "http://256.1.1.1/",
    "http://example.com:99999/",
    "http://",
    "example.com",
    "",
];

/// Other schemes.
const SCHEMES: &[&str] = &[
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_INFO",
    "data:text/html,hi",
    "ftp://example.com/",
    "ws://example.com/",
    "blob:https://example.com/",
    "javascript:alert(1)",
];

fn http() -> Policy {
    Policy {
        http: true,
        ..Policy::default()
    }
}

fn everything() -> Policy {
    Policy {
        ports: Ports::Any,
        ..http()
    }
}

/// The same address as `https`.
fn https(url: &str) -> String {
    url.replacen("http:", "https:", 1)
}

/// Each address with what is allowed, and why it has to be refused.
fn cases() -> Vec<(String, Policy, Reason)> {
    let mut cases = Vec::new();
    for (url, reason) in REFUSED {
        cases.push(((*url).to_owned(), Policy::default(), Reason::Scheme));
        cases.push(((*url).to_owned(), http(), *reason));
        cases.push((https(url), Policy::default(), *reason));
        cases.push(((*url).to_owned(), everything(), *reason));
        cases.push((https(url), everything(), *reason));
    }
    for policy in [Policy::default(), http(), everything()] {
        for url in NONE {
            cases.push(((*url).to_owned(), policy.clone(), Reason::Syntax));
            cases.push((https(url), policy.clone(), Reason::Syntax));
        }
        for url in SCHEMES {
            cases.push(((*url).to_owned(), policy.clone(), Reason::Scheme));
        }
    }
    for (url, reason) in [
        ("https:///etc/passwd", Reason::Host),
        ("https://127.0.0.1:6379/_INFO", Reason::Port),
        ("https:text/html,hi", Reason::Host),
        ("https://example.com:22/", Reason::Port),
        ("https://example.com:0/", Reason::Port),
    ] {
        cases.push((url.to_owned(), Policy::default(), reason));
    }
    cases.push((
        "http://example.com:22/".to_owned(),
        Policy::default(),
        Reason::Scheme,
    ));
    cases.push(("http://example.com:22/".to_owned(), http(), Reason::Port));
    cases.push(("https://example.com:0/".to_owned(), everything(), Reason::Port));
    cases.push((
        "https://127.0.0.1:6379/_INFO".to_owned(),
        everything(),
        Reason::Address,
    ));
    cases
}

#[tokio::test]
async fn every_bad_address_is_refused_four_ways_for_its_reason_and_nothing_is_asked_or_sent() {
    let cases = cases();
    assert!(cases.len() > 300, "{}", cases.len());
    for (url, policy, expected) in cases {
        let judged = judge(&url, &policy, &[]).map(|judged| judged.url.to_string());
        let refusal = judged.expect_err(&url);
        assert_eq!(refusal.reason, expected, "{url} {policy:?}: {}", refusal.message);

        let (names, wire) = (Names::default(), NoWire::default());
        let guard = Guard::new(policy).resolver(names.clone()).connector(wire.clone());
        let failure = guard.send(Outgoing::get(&url)).await.expect_err(&url);
        assert_eq!(reason(&failure), expected.word(), "{url}: {failure}");
        assert!(!failure.retryable, "{url}");
        assert_eq!((names.count(), wire.taken().len()), (0, 0), "{url}");
        assert!(!failure.message.contains("s3cret"), "{failure}");
    }
}

#[tokio::test]
async fn a_good_address_is_connected_to_as_it_was_judged() {
    for (url, policy, asked, connected) in [
        ("https://example.com/", Policy::default(), 1, "93.184.215.14:443"),
        (
            "https://EXAMPLE.com./x",
            Policy::default(),
            1,
            "93.184.215.14:443",
        ),
        ("https://1.1.1.1/", Policy::default(), 0, "1.1.1.1:443"),
        (
            "https://[2606:4700:4700::1111]/",
            Policy::default(),
            0,
            "[2606:4700:4700::1111]:443",
        ),
        ("https://172.32.0.1/", Policy::default(), 0, "172.32.0.1:443"),
        (
            "https://example.com:80/",
            Policy::default(),
            1,
            "93.184.215.14:80",
        ),
        ("http://example.com/", http(), 1, "93.184.215.14:80"),
        ("http://example.com:22/", everything(), 1, "93.184.215.14:22"),
    ] {
        let (names, wire) = (Names::default(), NoWire::default());
        let guard = Guard::new(policy).resolver(names.clone()).connector(wire.clone());
        let failure = guard
            .send(Outgoing::get(url))
            .await
            .expect_err("there is no wire");
        assert_eq!(failure.kind, ErrorKind::Network, "{url}: {failure}");
        assert!(failure.message.contains("no wire"), "{failure}");
        let connected: SocketAddr = connected.parse().expect("an address");
        assert_eq!((names.count(), wire.taken()), (asked, vec![connected]), "{url}");
    }
}

#[tokio::test]
async fn one_bad_address_of_a_name_is_enough() {
    for bad in [
        "127.0.0.1",
        "10.0.0.7",
        "169.254.169.254",
        "168.63.129.16",
        "::1",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "fe80::1",
        "fd00::1",
    ] {
        for answer in [&["93.184.215.14", bad][..], &[bad, "93.184.215.14"], &[bad]] {
            let names = Names::default().with("two.example.org", &[answer]);
            let wire = NoWire::default();
            let guard = Guard::new(Policy::default())
                .resolver(names.clone())
                .connector(wire.clone());
            let failure = guard.send(Outgoing::get("https://two.example.org/")).await;
            assert_eq!(reason(&failure.expect_err(bad)), "address", "{bad}");
            assert_eq!((names.count(), wire.taken().len()), (1, 0), "{bad}");
        }
    }
}

#[tokio::test]
async fn a_name_is_looked_up_once_whatever_it_would_lead_to_next() {
    let names = Names::default().with(
        "rebind.example.org",
        &[&["93.184.215.14", "93.184.215.15"], &["127.0.0.1"]],
    );
    let wire = NoWire::default();
    let guard = Guard::new(Policy::default())
        .resolver(names.clone())
        .connector(wire.clone());
    let failure = guard.send(Outgoing::get("https://rebind.example.org/")).await;
    assert_eq!(failure.expect_err("there is no wire").kind, ErrorKind::Network);
    let connected: Vec<String> = wire.taken().iter().map(SocketAddr::to_string).collect();
    assert_eq!(
        connected,
        ["93.184.215.14:443", "93.184.215.15:443"],
        "those it was judged by"
    );
    assert_eq!(names.count(), 1);
}

#[test]
fn our_own_addresses_count_as_private_and_ranges_open_what_they_name() {
    let own: [IpAddr; 2] = [
        IpAddr::from([8, 8, 8, 8]),
        "2606:4700::5".parse().expect("an address"),
    ];
    let open = |ranges: &[&str]| Policy {
        allow_private: ranges
            .iter()
            .map(|range| range.parse().expect("a range"))
            .collect(),
        ..Policy::default()
    };
    for (url, ranges, is_good) in [
        ("https://8.8.8.8/", &[][..], false),
        ("https://8.8.8.9/", &[], true),
        ("https://[2606:4700::5]/", &[], false),
        ("https://[::ffff:8.8.8.8]/", &["::ffff:0:0/96"], false),
        ("https://8.8.8.8/", &["8.8.8.0/24"], true),
        ("https://10.1.2.3/", &["10.1.0.0/16"], true),
        ("https://10.2.2.3/", &["10.1.0.0/16"], false),
        ("https://[::ffff:10.1.2.3]/", &["10.1.0.0/16"], false),
        ("https://[64:ff9b::a01:203]/", &["64:ff9b::/96"], false),
        (
            "https://[64:ff9b::a01:203]/",
            &["64:ff9b::/96", "10.0.0.0/8"],
            true,
        ),
        ("https://[64:ff9b::101:101]/", &["64:ff9b::/96"], true),
        (
            "https://169.254.169.254/",
            &["169.254.0.0/16", "0.0.0.0/0"],
            false,
        ),
        ("https://169.254.169.254/", &["169.254.169.254/32"], true),
        ("https://100.100.100.200/", &["100.64.0.0/10"], false),
    ] {
        let judged = judge(url, &open(ranges), &own);
        assert_eq!(judged.is_ok(), is_good, "{url} {ranges:?} {judged:?}");
        if let Err(refusal) = judged {
            assert_eq!(refusal.reason, Reason::Address, "{url}");
        }
    }
}

#[tokio::test]
async fn offline_the_guard_judges_first_and_lets_nothing_out() {
    let policy = Policy {
        allow_private: vec!["127.0.0.0/8".parse().expect("a range")],
        ..everything()
    };
    for (url, kind, connects) in [
        ("https://10.0.0.1/", ErrorKind::UrlRefused, 0),
        ("file:///etc/passwd", ErrorKind::UrlRefused, 0),
        ("https://1.1.1.1/", ErrorKind::Offline, 0),
        ("https://example.com/", ErrorKind::Offline, 0),
        ("http://127.0.0.1:9/", ErrorKind::Network, 1),
    ] {
        let (names, wire) = (Names::default(), NoWire::default());
        let guard = Guard::new(policy.clone()).offline(true);
        let guard = guard.resolver(names.clone()).connector(wire.clone());
        let failure = guard.send(Outgoing::get(url)).await.expect_err(url);
        assert_eq!(failure.kind, kind, "{url}: {failure}");
        assert_eq!((names.count(), wire.taken().len()), (0, connects), "{url}");
    }
}

/// Whether an address is public, worked out another way than the guard does.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            !(address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_broadcast()
                || address.is_documentation()
                || address.is_multicast()
                || a == 0
                || a >= 240
                || (a == 100 && b / 64 == 1)
                || (a == 198 && b / 2 == 9)
                || (a == 192 && b == 0 && c == 0)
                || (a == 192 && b == 88 && c == 99)
                || address.octets() == [168, 63, 129, 16])
        }
        IpAddr::V6(address) => {
            let [a, b, ..] = address.segments();
            a >> 13 == 1
                && a != 0x2002
                && !(a == 0x2001 && (b < 0x200 || b == 0xdb8))
                && !(a == 0x3fff && b < 0x1000)
        }
    }
}

/// An address in one of the ways to write it.
fn spelled(address: IpAddr, way: u8) -> String {
    let IpAddr::V4(v4) = address else {
        return format!("[{address}]");
    };
    let bits = v4.to_bits();
    let [a, b, c, d] = v4.octets();
    match way % 10 {
        0 => v4.to_string(),
        1 => bits.to_string(),
        2 => format!("{bits:#x}"),
        3 => format!("0{bits:o}"),
        4 => format!("{a}.{}", bits & 0x00ff_ffff),
        5 => format!("0{a:o}.{b}.{:#x}", bits & 0xffff),
        6 => format!("{v4}."),
        7 => v4
            .to_string()
            .bytes()
            .map(|byte| format!("%{byte:02x}"))
            .collect(),
        8 => {
            let wide = |c: char| match c.to_digit(10) {
                Some(digit) => char::from_u32('０' as u32 + digit).unwrap_or(c),
                None => '。',
            };
            v4.to_string().chars().map(wide).collect()
        }
        _ => format!("{a:#X}.0{b:o}.{c}.{d:#x}"),
    }
}

fn addresses() -> impl Strategy<Value = IpAddr> {
    let special = prop::sample::select(vec![
        0x0a00_0000_u32,
        0x7f00_0000,
        0xa9fe_a900,
        0xac10_0000,
        0xc0a8_0000,
        0x6440_0000,
        0xe000_0000,
        0xf000_0000,
        0,
    ]);
    let near =
        (special, any::<u16>()).prop_map(|(base, low)| IpAddr::from((base | u32::from(low)).to_be_bytes()));
    let v6 = prop::sample::select(vec![
        [0, 0, 0, 0, 0, 0xffff],
        [0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0xffff, 0],
        [0x64, 0xff9b, 0, 0, 0, 0],
        [0x64, 0xff9b, 1, 0, 0, 0],
        [0x2002, 0x7f00, 1, 0, 0, 0],
        [0x2001, 0, 0x7f00, 1, 0, 0],
        [0xfe80, 0, 0, 0, 0, 0],
        [0xfd00, 0xec2, 0, 0, 0, 0],
        [0x2606, 0x4700, 0, 0, 0, 0],
    ]);
    let inside = (v6, any::<[u16; 2]>())
        .prop_map(|([a, b, c, d, e, f], [g, h])| IpAddr::from([a, b, c, d, e, f, g, h]));
    prop_oneof![
        any::<[u8; 4]>().prop_map(IpAddr::from),
        any::<[u16; 8]>().prop_map(IpAddr::from),
        near,
        inside,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn nobody_is_ever_connected_to_an_address_that_is_not_public(
        literal in addresses(),
        way in any::<u8>(),
        found in prop::collection::vec(addresses(), 1..4),
        by_name in any::<bool>(),
    ) {
        let (names, wire) = (Names::default(), NoWire::default());
        names.known.lock().expect("nobody panics").insert("name.example.org".to_owned(), vec![found.clone()]);
        let host = match by_name {
            true => "name.example.org".to_owned(),
            false => spelled(literal, way),
        };
        let guard = Guard::new(everything()).resolver(names.clone()).connector(wire.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let failure = runtime.block_on(guard.send(Outgoing::get(format!("http://{host}/"))));
        prop_assert!(failure.is_err());
        let meant = if by_name { found } else { vec![literal] };
        let connected: Vec<IpAddr> = wire.taken().iter().map(SocketAddr::ip).collect();
        for address in &connected {
            prop_assert!(is_public(*address), "{host} led to {address}");
            prop_assert!(meant.contains(address), "{host} led to {address}");
        }
        // And the other way round: what is public is not refused.
        if meant.iter().all(|address| is_public(*address)) {
            prop_assert!(!connected.is_empty(), "{host} is refused: {:?}", failure.map(|_| ()));
        }
    }

    #[test]
    fn any_text_is_judged(text in any::<String>(), host in "[0-9a-fx.:%\\[\\]]{0,40}") {
        for url in [text.clone(), format!("https://{text}"), format!("https://{host}/")] {
            if let Ok(judged) = judge(&url, &everything(), &[]) {
                prop_assert!(matches!(judged.url.scheme(), "http" | "https"));
                prop_assert!(judged.url.username().is_empty());
            }
        }
    }
}
