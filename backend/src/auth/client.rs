//! The client of a request: its address, whether it came over TLS, and through a proxy. Pure.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use actix_web::{
    dev::ServiceRequest,
    http::{Version, header::HeaderMap},
};
use ipnet::IpNet;
use url::Url;

use crate::auth::cross_site;

/// What is known about the client that sends a request.
#[derive(Debug, Clone)]
pub struct Client {
    pub address: IpAddr,
    /// The request came over TLS, to this server or to the proxy in front.
    pub secure: bool,
    /// `Host`, in lower case.
    pub host: String,
    /// The request shows that it came through a proxy.
    pub proxied: bool,
}

impl Client {
    /// `X-Forwarded-For` and `-Proto` count only if the peer of the connection is one of `proxies`.
    pub fn of(request: &ServiceRequest, proxies: &[IpNet], public_url: Option<&Url>) -> Self {
        let peer = request.peer_addr().map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |peer| peer.ip().to_canonical());
        let headers = request.headers();
        let trusted = |address: &IpAddr| proxies.iter().any(|net| net.contains(address));
        let mut client = Self {
            address: peer,
            secure: public_url.is_some_and(|url| url.scheme() == "https"),
            host: text(headers, "host").to_ascii_lowercase(),
            proxied: is_proxied(request),
        };
        if trusted(&peer) {
            client.address = farthest_hop(headers, trusted).unwrap_or(peer);
            client.secure |=
                text(headers, "x-forwarded-proto").rsplit(',').next().unwrap_or_default().trim() == "https";
        }
        client
    }

    /// The network by which requests are counted. For IPv6 that is the /64, which belongs to one customer.
    pub fn network(&self) -> String {
        match self.address {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
        }
    }

    /// Whether `Host` names this machine. A page of another site whose name is made to resolve to this machine (DNS
    /// rebinding) sends its own name.
    pub fn names_loopback(&self) -> bool {
        let host = self.host.rsplit_once(':').map_or(self.host.as_str(), |(host, port)| {
            if port.bytes().all(|byte| byte.is_ascii_digit()) { host } else { &self.host }
        });
        let host = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || host.ends_with(".localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

/// Header fields that proxies and content delivery networks add.
const PROXY_HEADERS: [&str; 16] = [
    "cdn-loop",
    "cf-connecting-ip",
    "cf-ray",
    "fastly-client-ip",
    "fly-client-ip",
    "forwarded",
    "true-client-ip",
    "via",
    "x-amzn-trace-id",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-original-host",
    "x-real-ip",
];

/// Whether a request shows that it came through a proxy: by a header field of [`PROXY_HEADERS`]; by HTTP/1.0, which nginx's
/// plain `proxy_pass` uses (before 1.29.7) and no browser does; or by a page of another host that the browser reports as
/// the same origin, since such a proxy replaces `Host` with the name of its upstream, but not the browser's own headers.
///
/// A proxy on this machine that speaks HTTP/1.1, adds nothing and forwards no browser cannot be recognized.
fn is_proxied(request: &ServiceRequest) -> bool {
    let headers = request.headers();
    let host = text(headers, "host").to_ascii_lowercase();
    let names_other_host = |name: &str| {
        Url::parse(text(headers, name)).is_ok_and(|url| url.host_str().is_some() && cross_site::authority(&url) != host)
    };
    PROXY_HEADERS.iter().any(|name| headers.contains_key(*name))
        || request.version() < Version::HTTP_11
        || (text(headers, "sec-fetch-site") == "same-origin"
            && (names_other_host("origin") || names_other_host("referer")))
}

/// Returns the client that the proxies report. Each proxy appends the address of its peer, so everything before the last
/// address that is not trusted can be forged: the client has that address. If all of them are trusted, as those of a private
/// network where `TRUSTED_PROXIES` is that network, the client is the farthest.
fn farthest_hop(headers: &HeaderMap, trusted: impl Fn(&IpAddr) -> bool) -> Option<IpAddr> {
    let lines: Vec<_> = headers.get_all("x-forwarded-for").filter_map(|value| value.to_str().ok()).collect();
    let mut farthest = None;
    for hop in lines.join(",").rsplit(',').map_while(|hop| parse_address(hop.trim())) {
        farthest = Some(hop);
        if !trusted(&hop) {
            break;
        }
    }
    farthest
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Parses an address with or without a port.
fn parse_address(text: &str) -> Option<IpAddr> {
    let plain = text.parse::<IpAddr>().ok();
    let address = plain.or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn client(peer: &str, headers: &[(&'static str, &'static str)], proxies: &[&str]) -> Client {
        let mut request = TestRequest::default().peer_addr(peer.parse().expect("an address"));
        for header in headers {
            request = request.append_header(*header);
        }
        let proxies: Vec<IpNet> = proxies.iter().map(|net| net.parse().expect("a network")).collect();
        Client::of(&request.to_srv_request(), &proxies, None)
    }

    #[test]
    fn only_a_configured_proxy_is_trusted() {
        let headers = [("x-forwarded-for", "203.0.113.9"), ("x-forwarded-proto", "https")];
        let trusted = client("10.0.0.1:5000", &headers, &["10.0.0.0/8"]);
        assert_eq!((trusted.address.to_string().as_str(), trusted.secure), ("203.0.113.9", true));
        let other = client("192.0.2.7:5000", &headers, &["10.0.0.0/8"]);
        assert_eq!((other.address.to_string().as_str(), other.secure, other.proxied), ("192.0.2.7", false, true));
    }

    #[test]
    fn addresses_before_the_one_that_the_proxy_added_are_ignored() {
        let headers = [("x-forwarded-for", "127.0.0.1, 198.51.100.4, 10.0.0.2")];
        assert_eq!(client("10.0.0.1:5000", &headers, &["10.0.0.0/8"]).address.to_string(), "198.51.100.4");
        let malformed = [("x-forwarded-for", "198.51.100.4, nonsense, 10.0.0.2")];
        assert_eq!(client("10.0.0.1:5000", &malformed, &["10.0.0.0/8"]).address.to_string(), "10.0.0.2");
        assert_eq!(client("10.0.0.1:5000", &[], &["10.0.0.0/8"]).address.to_string(), "10.0.0.1");
    }

    #[test]
    fn if_all_hops_are_trusted_the_client_is_the_farthest() {
        let headers = [("x-forwarded-for", "10.0.0.9, 10.0.0.2")];
        assert_eq!(client("10.0.0.1:5000", &headers, &["10.0.0.0/8"]).address.to_string(), "10.0.0.9");
        let lines = [("x-forwarded-for", "10.0.0.9"), ("x-forwarded-for", "10.0.0.2")];
        assert_eq!(client("10.0.0.1:5000", &lines, &["10.0.0.0/8"]).address.to_string(), "10.0.0.9");
    }

    #[test]
    fn a_proxy_is_recognized_by_what_it_adds_or_replaces() {
        let host = ("host", "127.0.0.1:8000");
        let is_proxied = |header: (&'static str, &'static str)| client("127.0.0.1:1", &[host, header], &[]).proxied;
        for name in PROXY_HEADERS {
            assert!(is_proxied((name, "x")), "{name}");
        }
        assert!(!is_proxied(("connection", "close")), "programs send it, too");
        let page = |referer| {
            let headers = [host, ("sec-fetch-site", "same-origin"), ("referer", referer)];
            client("127.0.0.1:1", &headers, &[]).proxied
        };
        assert!(page("https://loadify.example/products") && !page("http://127.0.0.1:8000/products"));
        let old = TestRequest::default().version(Version::HTTP_10).to_srv_request();
        assert!(Client::of(&old, &[], None).proxied);
    }

    #[test]
    fn ipv6_is_counted_by_network() {
        assert_eq!(client("[2001:db8:1:2:3::4]:1", &[], &[]).network(), "2001:db8:1:2::/64");
        assert_eq!(client("[::ffff:192.0.2.1]:1", &[], &[]).network(), "192.0.2.1");
    }

    #[test]
    fn loopback_is_recognized_by_its_names() {
        for (host, expected) in [
            ("localhost:8000", true),
            ("127.0.0.1", true),
            ("[::1]:8000", true),
            ("app.localhost", true),
            ("evil.example", false),
            ("127.0.0.1.evil.example:8000", false),
            ("", false),
        ] {
            assert_eq!(client("127.0.0.1:1", &[("host", host)], &[]).names_loopback(), expected, "{host}");
        }
    }
}
