//! The judgement: a pure function from the text of an address to what may be connected to, or to why it is refused.

use std::net::IpAddr;

use ipnet::IpNet;
use segue::fault::quote;
use segue::{ErrorKind, Failure};
use url::{Host, Url};

use super::address::{Class, class_of, embedded};
use super::metadata;

/// What the operator allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Whether `http` is as good as `https`.
    pub http: bool,
    /// Ports that may be connected to.
    pub ports: Ports,
    /// Ranges that may be reached in spite of their class, addresses of this machine among them. The metadata service of a
    /// cloud has to be named by itself: no range opens it.
    pub allow_private: Vec<IpNet>,
}

/// Ports that may be connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ports {
    /// These.
    These(Vec<u16>),
    /// Any but 0.
    Any,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            http: false,
            ports: Ports::These(vec![80, 443]),
            allow_private: Vec::new(),
        }
    }
}

/// Why an address is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// No `https`, nor `http` where that is allowed.
    Scheme,
    /// No address that can be read in one way only.
    Syntax,
    /// A user name or password in it.
    Userinfo,
    /// A port that is not allowed.
    Port,
    /// A name of this machine or of a private network.
    Host,
    /// An address of a class that is not public.
    Address,
    /// Too many redirects, or one from `https` to `http`.
    Redirect,
    /// More bytes than allowed.
    Size,
    /// More time than allowed.
    Time,
    /// A type of content that is not allowed.
    Type,
}

impl Reason {
    /// The word for it, as it stands in the record.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Reason::Scheme => "scheme",
            Reason::Syntax => "syntax",
            Reason::Userinfo => "userinfo",
            Reason::Port => "port",
            Reason::Host => "host",
            Reason::Address => "address",
            Reason::Redirect => "redirect",
            Reason::Size => "size",
            Reason::Time => "time",
            Reason::Type => "type",
        }
    }
}

/// A refusal: why, and in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// What is wrong, after "… is refused:".
    pub message: String,
}

impl Refusal {
    pub(crate) fn new(reason: Reason, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { reason, message }
    }

    /// The same as an error of a call, of the address that was asked for.
    #[must_use]
    pub fn of(self, asked: &str) -> Failure {
        // Who is named in an address may have a password beside the name.
        let shown = match asked.contains('@') {
            true => "the address".to_owned(),
            false => quote(asked),
        };
        let message = format!("{shown} is refused: {}", self.message);
        let mut failure = Failure::new(ErrorKind::UrlRefused, message);
        failure.reason = Some(self.reason.word().to_owned());
        failure
    }
}

/// An address that was judged good as far as that goes without a look-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// As it was read.
    pub url: Url,
    /// The port to connect to.
    pub port: u16,
    /// Where it leads.
    pub place: Place,
}

/// Where an address leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// To an address that was judged, and needs no look-up.
    Literal(IpAddr),
    /// To a name, whose addresses have yet to be judged.
    Name(String),
}

/// Judges the text of an address. `own` are the addresses of this machine.
///
/// ```
/// use segue_tools::guard::{Policy, Reason, judge};
///
/// let refused = judge("https://2130706433/", &Policy::default(), &[]).expect_err("it is 127.0.0.1");
/// assert_eq!(refused.reason, Reason::Address);
/// assert!(judge("https://example.com/", &Policy::default(), &[]).is_ok());
/// ```
///
/// # Errors
/// Why it is refused.
pub fn judge(text: &str, policy: &Policy, own: &[IpAddr]) -> Result<Judged, Refusal> {
    if let Some(odd) = text
        .chars()
        .find(|c| c.is_control() || c.is_whitespace() || *c == '\\')
    {
        let message = format!("it has the character {} in it", quote(&odd.to_string()));
        return Err(Refusal::new(Reason::Syntax, message));
    }
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(error) => return Err(Refusal::new(Reason::Syntax, format!("it is none ({error})"))),
    };
    match url.scheme() {
        "https" => {}
        "http" if policy.http => {}
        "http" => {
            return Err(Refusal::new(
                Reason::Scheme,
                "`http` is not allowed, only `https`",
            ));
        }
        scheme => {
            let message = format!("{} is not allowed, only `https`", quote(scheme));
            return Err(Refusal::new(Reason::Scheme, message));
        }
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Refusal::new(
            Reason::Userinfo,
            "it has a user name or password in it",
        ));
    }
    let port = url.port_or_known_default().unwrap_or_default();
    let is_allowed = match &policy.ports {
        Ports::These(ports) => ports.contains(&port),
        Ports::Any => true,
    };
    if !is_allowed || port == 0 {
        return Err(Refusal::new(Reason::Port, format!("port {port} is not allowed")));
    }
    let place = match url.host() {
        Some(Host::Ipv4(address)) => Place::Literal(address.into()),
        Some(Host::Ipv6(address)) => Place::Literal(address.into()),
        Some(Host::Domain(name)) => Place::Name(judge_name(name)?),
        None => return Err(Refusal::new(Reason::Syntax, "it names no host")),
    };
    if let Place::Literal(address) = &place {
        judge_address(*address, policy, own)?;
    }
    Ok(Judged { url, port, place })
}

/// Judges a name by itself, and gives it as it is looked up.
fn judge_name(name: &str) -> Result<String, Refusal> {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let below = |domain: &str| name == domain || name.ends_with(&format!(".{domain}"));
    let wrong = if below("localhost") {
        "is this machine"
    } else if below("local") || below("internal") {
        "is a name of a private network"
    } else if metadata::is_name(&name) {
        "is the metadata service of a cloud"
    } else if !name.contains('.') {
        "is a name without a domain"
    } else {
        return Ok(name);
    };
    Err(Refusal::new(Reason::Host, format!("{} {wrong}", quote(&name))))
}

/// Judges an address: by itself, and by every IPv4 address that is in it.
///
/// # Errors
/// Why it is refused.
pub fn judge_address(address: IpAddr, policy: &Policy, own: &[IpAddr]) -> Result<(), Refusal> {
    let inside = match address {
        IpAddr::V4(_) => Vec::new(),
        IpAddr::V6(address) => embedded(address),
    };
    let forms = std::iter::once(address).chain(inside.into_iter().map(IpAddr::V4));
    for form in forms {
        let class = class_of(form).or_else(|| own.contains(&form).then_some(Class::Own));
        let Some(class) = class else { continue };
        let is_open = |range: &IpNet| {
            let names_it_alone = range.prefix_len() == range.max_prefix_len();
            range.contains(&form) && (class != Class::Metadata || names_it_alone)
        };
        if policy.allow_private.iter().any(is_open) {
            continue;
        }
        let message = match form == address {
            true => format!("{address} is {}", class.words()),
            false => format!("{address} leads to {form}, which is {}", class.words()),
        };
        return Err(Refusal::new(Reason::Address, message));
    }
    Ok(())
}
