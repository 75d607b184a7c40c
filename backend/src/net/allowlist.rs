//! Which URLs and addresses may be called.
//!
//! A URL is parsed by the WHATWG algorithm, which knows all spellings of an address (`0x7f.1`, `２１３０７０６４３３`,
//! `127。0。0。1`). The check is made on addresses, never on text, and on the addresses that are then connected to: a name
//! server that changes its answer in between changes nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use url::{Host, Url};

/// Why a URL or an address must not be called; follows the word "URL" in a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ForbiddenError(pub String);

/// IPv4 blocks that are not public (IANA special-purpose registry): address, prefix length, and what the block is.
const V4: [([u8; 4], u8, &str); 15] = [
    ([0, 0, 0, 0], 8, "means this host"),
    ([10, 0, 0, 0], 8, "is private"),
    ([100, 64, 0, 0], 10, "is private to a provider"),
    ([127, 0, 0, 0], 8, "is this host itself"),
    ([169, 254, 0, 0], 16, "is link-local"),
    ([172, 16, 0, 0], 12, "is private"),
    ([192, 0, 0, 0], 24, "is reserved for protocols"),
    ([192, 0, 2, 0], 24, "is for documentation"),
    ([192, 88, 99, 0], 24, "is reserved for relays"),
    ([192, 168, 0, 0], 16, "is private"),
    ([198, 18, 0, 0], 15, "is for measurements"),
    ([198, 51, 100, 0], 24, "is for documentation"),
    ([203, 0, 113, 0], 24, "is for documentation"),
    ([224, 0, 0, 0], 4, "is for multicast"),
    ([240, 0, 0, 0], 4, "is reserved"),
];

/// IPv6 blocks within `2000::/3` that are not public. Addresses outside of `2000::/3` are refused in any case.
const V6: [([u16; 2], u8, &str); 4] = [
    ([0x2001, 0], 23, "is reserved for protocols, or leads to an IPv4 address"),
    ([0x2001, 0xdb8], 32, "is for documentation"),
    ([0x2002, 0], 16, "leads to an IPv4 address"),
    ([0x3fff, 0], 20, "is for documentation"),
];

/// Parses a URL and checks its form: `http` or `https`, a host, no credentials. The fragment is dropped.
///
/// # Errors
/// The reason, to follow the name of the field.
pub fn parse_url(text: &str) -> Result<Url, ForbiddenError> {
    let refused = |reason: &str| ForbiddenError(reason.to_owned());
    let mut url = Url::parse(text.trim())
        .map_err(|error| ForbiddenError(format!("is not a full URL, such as https://example.com/path ({error})")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(refused("must begin with https:// or http://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused("must not contain a user name or a password"));
    }
    if url.port() == Some(0) {
        return Err(refused("has port 0, which cannot be called"));
    }
    url.set_fragment(None);
    Ok(url)
}

/// Returns the address of a URL whose host is an address instead of a name.
pub fn literal_address(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
        Host::Domain(_) => None,
    }
}

/// Checks all addresses of a host.
///
/// # Errors
/// Where any address is neither public nor in `allowed`: a host with one internal address is not called at all.
pub fn check(addresses: &[IpAddr], allowed: &[IpNet]) -> Result<(), ForbiddenError> {
    for address in addresses {
        if allowed.iter().any(|net| net.contains(address)) {
            continue;
        }
        let reason = match address {
            IpAddr::V4(address) => forbidden_v4(*address),
            IpAddr::V6(address) => forbidden_v6(*address),
        };
        if let Some(reason) = reason {
            return Err(ForbiddenError(format!("leads to {address}, which {reason}")));
        }
    }
    Ok(())
}

fn forbidden_v4(address: Ipv4Addr) -> Option<&'static str> {
    let bits = address.to_bits();
    let block = V4.iter().find(|(block, length, _)| {
        let shift = 32 - u32::from(*length);
        bits >> shift == u32::from_be_bytes(*block) >> shift
    });
    block.map(|(.., reason)| *reason)
}

fn forbidden_v6(address: Ipv6Addr) -> Option<&'static str> {
    if address.is_unspecified() {
        return Some("means this host");
    }
    if address.is_loopback() {
        return Some("is this host itself");
    }
    // Among them ::ffff:0:0/96, 64:ff9b::/96 and 64:ff9b:1::/48, which are IPv4 addresses in another notation.
    if address.segments()[0] >> 13 != 1 {
        return Some("is not public");
    }
    let bits = address.to_bits();
    let block = V6.iter().find(|([first, second], length, _)| {
        let block = u128::from(*first) << 112 | u128::from(*second) << 96;
        let shift = 128 - u32::from(*length);
        bits >> shift == block >> shift
    });
    block.map(|(.., reason)| *reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hosts that are internal addresses in every spelling.
    const INSIDE: [&str; 76] = [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "127.255.255.254",
        "2130706433",
        "017700000001",
        "0x7f000001",
        "0x7f.1",
        "0X7F.0x0.0x0.0x1",
        "0177.0.0.1",
        "0177.0.0x1",
        "127.0.0.01",
        "127.0.0.1.",
        "1%32%37.0.0.1",
        "%31%32%37%2e%30%2e%30%2e%31",
        "１２７.0.0.1",
        "127。0。0。1",
        "127．0．0．1",
        "①②⑦.⓪.⓪.①",
        "0",
        "0.0.0.0",
        "0x0",
        "00000",
        "0.1.2.3",
        "10.0.0.1",
        "10.255.255.255",
        "167772161",
        "0xa000001",
        "012.0.0.1",
        "100.64.0.1",
        "100.127.255.255",
        "169.254.169.254",
        "2852039166",
        "0xa9fea9fe",
        "0251.0376.0251.0376",
        "169.254.43518",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.0.1",
        "192.168.257",
        "0xc0a80001",
        "192.0.0.1",
        "192.0.0.170",
        "192.0.2.1",
        "192.88.99.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.9",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "4294967295",
        "[::]",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[0000:0000:0000:0000:0000:0000:0000:0001]",
        "[::127.0.0.1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::FFFF:10.0.0.1]",
        "[0:0:0:0:0:ffff:a9fe:a9fe]",
        "[::ffff:0:127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[64:ff9b::a9fe:a9fe]",
        "[64:ff9b:1::a00:1]",
        "[2002:7f00:1::]",
        "[2002:a9fe:a9fe::1]",
        "[2001:0:7f00:1::]",
        "[2001:db8::1]",
        "[3fff::1]",
        "[fc00::1]",
        "[fd00:ec2::254]",
        "[fe80::1]",
        "[ff02::1]",
    ];

    #[test]
    fn every_spelling_of_an_address_inside_is_refused() {
        for host in INSIDE {
            for url in [format!("http://{host}/hook"), format!("https://{host}:8443/hook"), format!("http:{host}")] {
                let parsed = parse_url(&url).unwrap_or_else(|error| panic!("{url}: {error}"));
                let address = literal_address(&parsed).unwrap_or_else(|| panic!("{url} is not seen as an address"));
                assert!(check(&[address], &[]).is_err(), "{url} is {address} and passes");
            }
        }
    }

    #[test]
    fn what_is_not_http_or_carries_a_password_or_is_no_url_is_refused() {
        for url in [
            "",
            "example.com",
            "//example.com",
            "ftp://example.com",
            "file:///etc/passwd",
            "gopher://example.com:25/_MAIL",
            "javascript:alert(1)",
            "data:text/plain,x",
            "unix:/var/run/docker.sock",
            "http://",
            "http://user@example.com",
            "http://user:secret@example.com",
            "http://:secret@example.com",
            "http://example.com:0/",
            "http://example.com:65536/",
            "http://exa mple.com/",
            "http://[::1",
            "http://[fe80::1%25eth0]/",
            "http://256.256.256.256/",
            "http://1.2.3.4.5/",
            "http://0x100000000/",
            "http://a.0x7f/",
            "http://\u{ad}/",
        ] {
            assert!(parse_url(url).is_err(), "{url} is accepted as {:?}", parse_url(url));
        }
    }

    #[test]
    fn public_addresses_are_let_through_up_to_the_edge_of_what_is_not() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700:4700::1111",
            "2001:200::1",
            "2a00:1450:4001::1",
        ] {
            let address: IpAddr = address.parse().expect("an address");
            assert_eq!(check(&[address], &[]), Ok(()), "{address}");
        }
    }

    #[test]
    fn one_address_inside_among_public_ones_is_enough() {
        let addresses: Vec<IpAddr> =
            ["1.1.1.1", "2606:4700:4700::1111", "10.0.0.1"].map(|text| text.parse().expect("an address")).into();
        assert_eq!(check(&addresses, &[]), Err(ForbiddenError("leads to 10.0.0.1, which is private".into())));
    }

    #[test]
    fn what_is_allowed_by_name_is_let_through_and_nothing_beside_it() {
        let allowed: Vec<IpNet> = ["10.1.0.0/16", "::1/128"].map(|text| text.parse().expect("a block")).into();
        let checked = |text: &str| check(&[text.parse().expect("an address")], &allowed);
        assert_eq!(checked("10.1.2.3"), Ok(()));
        assert_eq!(checked("::1"), Ok(()));
        assert!(checked("10.2.0.1").is_err() && checked("::ffff:10.1.2.3").is_err());
    }

    #[test]
    fn a_url_is_kept_as_the_parser_writes_it_without_its_fragment() {
        assert_eq!(
            parse_url(" HTTPS://Example.COM:443/a/../b?c#d ").map(String::from),
            Ok("https://example.com/b?c".into())
        );
        assert_eq!(parse_url("http://bücher.example/").map(String::from), Ok("http://xn--bcher-kva.example/".into()));
    }
}
