//! Where a request comes from: which address, over which scheme, from which site. Pure but for reading the request.

use std::net::{IpAddr, Ipv6Addr};

use actix_web::{
    dev::ServiceRequest,
    http::{
        Method,
        header::{self, HeaderMap},
    },
};
use ipnet::IpNet;
use url::Url;

/// What is known of who sends a request.
#[derive(Debug, Clone)]
pub struct Origin {
    pub address: IpAddr,
    /// It came over TLS, to us or to the proxy in front.
    pub secure: bool,
    /// `Host`, in lower case.
    pub host: String,
    /// It came through something that says so.
    pub forwarded: bool,
}

impl Origin {
    /// `X-Forwarded-For` and `-Proto` count only where the other end of the connection is one of `proxies`.
    pub fn of(request: &ServiceRequest, proxies: &[IpNet], public_url: Option<&Url>) -> Self {
        let peer = request.peer_addr().map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |peer| peer.ip().to_canonical());
        let headers = request.headers();
        let trusted = |address: &IpAddr| proxies.iter().any(|net| net.contains(address));
        let mut origin = Self {
            address: peer,
            secure: public_url.is_some_and(|url| url.scheme() == "https"),
            host: text(headers, "host").to_ascii_lowercase(),
            forwarded: ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip"]
                .iter()
                .any(|name| headers.contains_key(*name)),
        };
        if trusted(&peer) {
            // Each proxy adds at the end; what stands before the first that is not ours can be made up.
            let hops: Vec<_> = headers.get_all("x-forwarded-for").filter_map(|value| value.to_str().ok()).collect();
            let hops = hops.join(",");
            let mut hops = hops.rsplit(',').map_while(|hop| address(hop.trim()));
            origin.address = hops.find(|hop| !trusted(hop)).unwrap_or(peer);
            origin.secure |=
                text(headers, "x-forwarded-proto").rsplit(',').next().unwrap_or_default().trim() == "https";
        }
        origin
    }

    /// What stands for an address where requests are counted: of version 6, the network that one customer has.
    pub fn network(&self) -> String {
        match self.address {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
        }
    }

    /// Whether the request names this machine itself. A page of elsewhere whose name is made to lead here (DNS rebinding)
    /// sends its own name.
    pub fn names_loopback(&self) -> bool {
        let host = self.host.rsplit_once(':').map_or(self.host.as_str(), |(host, port)| {
            if port.bytes().all(|byte| byte.is_ascii_digit()) { host } else { &self.host }
        });
        let host = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || host.ends_with(".localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// An address with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let plain = text.parse::<IpAddr>().ok();
    let address = plain.or_else(|| Some(text.parse::<std::net::SocketAddr>().ok()?.ip()))?;
    Some(address.to_canonical())
}

/// Whether a page of ours sent a request, as its browser tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// A page of ours.
    Ours,
    /// A page of another site.
    Foreign,
    /// It does not say: no browser of these years, or no browser.
    Silent,
}

/// Who sent it, by `Sec-Fetch-Site` (Fetch Metadata, section 2.3) or, where that is absent, by `Origin` (RFC 6454).
pub fn sender(headers: &HeaderMap, host: &str, public_url: Option<&Url>) -> Sender {
    if headers.contains_key("sec-fetch-site") {
        return if text(headers, "sec-fetch-site") == "same-origin" { Sender::Ours } else { Sender::Foreign };
    }
    if !headers.contains_key(header::ORIGIN) {
        return Sender::Silent;
    }
    let Ok(origin) = Url::parse(text(headers, "origin")) else { return Sender::Foreign };
    let authority = match (origin.host_str(), origin.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => return Sender::Foreign,
    };
    let ours = match public_url {
        Some(public) => public.origin() == origin.origin(),
        None => authority == host,
    };
    if ours { Sender::Ours } else { Sender::Foreign }
}

/// Methods that change nothing (RFC 9110, section 9.2.1).
pub fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn origin(peer: &str, headers: &[(&'static str, &'static str)], proxies: &[&str]) -> Origin {
        let mut request = TestRequest::default().peer_addr(peer.parse().expect("an address"));
        for header in headers {
            request = request.append_header(*header);
        }
        let proxies: Vec<IpNet> = proxies.iter().map(|net| net.parse().expect("a network")).collect();
        Origin::of(&request.to_srv_request(), &proxies, None)
    }

    #[test]
    fn only_a_configured_proxy_is_believed() {
        let headers = [("x-forwarded-for", "203.0.113.9"), ("x-forwarded-proto", "https")];
        let believed = origin("10.0.0.1:5000", &headers, &["10.0.0.0/8"]);
        assert_eq!((believed.address.to_string().as_str(), believed.secure), ("203.0.113.9", true));
        let not = origin("192.0.2.7:5000", &headers, &["10.0.0.0/8"]);
        assert_eq!((not.address.to_string().as_str(), not.secure, not.forwarded), ("192.0.2.7", false, true));
    }

    #[test]
    fn what_a_client_puts_before_the_proxys_own_word_does_not_count() {
        let headers = [("x-forwarded-for", "127.0.0.1, 198.51.100.4, 10.0.0.2")];
        assert_eq!(origin("10.0.0.1:5000", &headers, &["10.0.0.0/8"]).address.to_string(), "198.51.100.4");
        let lies = [("x-forwarded-for", "198.51.100.4, nonsense, 10.0.0.2")];
        assert_eq!(origin("10.0.0.1:5000", &lies, &["10.0.0.0/8"]).address.to_string(), "10.0.0.1");
    }

    #[test]
    fn version_6_is_counted_by_network() {
        assert_eq!(origin("[2001:db8:1:2:3::4]:1", &[], &[]).network(), "2001:db8:1:2::/64");
        assert_eq!(origin("[::ffff:192.0.2.1]:1", &[], &[]).network(), "192.0.2.1");
    }

    #[test]
    fn loopback_is_known_by_its_names() {
        for (host, expected) in [
            ("localhost:8000", true),
            ("127.0.0.1", true),
            ("[::1]:8000", true),
            ("app.localhost", true),
            ("evil.example", false),
            ("127.0.0.1.evil.example:8000", false),
            ("", false),
        ] {
            assert_eq!(origin("127.0.0.1:1", &[("host", host)], &[]).names_loopback(), expected, "{host}");
        }
    }

    #[test]
    fn a_foreign_page_is_known_by_what_its_browser_says() {
        let sent = |headers: &[(&'static str, &'static str)]| {
            let mut request = TestRequest::default();
            for header in headers {
                request = request.append_header(*header);
            }
            sender(request.to_srv_request().headers(), "loadify.example:8000", None)
        };
        assert_eq!(sent(&[("sec-fetch-site", "same-origin")]), Sender::Ours);
        for site in ["same-site", "cross-site", "none", "x"] {
            let says_ours = ("origin", "http://loadify.example:8000");
            assert_eq!(sent(&[("sec-fetch-site", site), says_ours]), Sender::Foreign, "{site}");
        }
        assert_eq!(sent(&[("origin", "http://loadify.example:8000")]), Sender::Ours);
        for origin in ["http://loadify.example", "null", "http://loadify.example:8000.evil.example", "file://"] {
            let sent = TestRequest::default().append_header(("origin", origin)).to_srv_request();
            assert_eq!(sender(sent.headers(), "loadify.example:8000", None), Sender::Foreign, "{origin}");
        }
        assert_eq!(sent(&[]), Sender::Silent);
    }
}
