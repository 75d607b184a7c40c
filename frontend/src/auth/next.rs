//! Where somebody wanted to go before they were asked to sign in. Pure.

/// The address of the sign-in page that leads on to `path`, which has the query with it.
pub fn sign_in_href(path: &str, encode: impl Fn(&str) -> String) -> String {
    match local(path) {
        None | Some("/") => "/sign-in".to_owned(),
        Some(path) => format!("/sign-in?next={}", encode(path)),
    }
}

/// `next` where it leads to a page of this site; nothing else is followed, or a link could lead who signs in to a page
/// that only looks like ours. A browser takes `\` for `/`, and leaves tabs and line breaks out.
pub fn local(next: &str) -> Option<&str> {
    let mut chars = next.chars();
    let begins = chars.next() == Some('/') && !matches!(chars.next(), Some('/' | '\\'));
    let page = next.split(['?', '#']).next().unwrap_or_default();
    let is_entrance = matches!(page, "/sign-in" | "/setup");
    (begins && !is_entrance && !next.chars().any(char::is_control)).then_some(next)
}

/// Whether the server has that page, and not this app.
pub fn is_of_the_server(path: &str) -> bool {
    path.starts_with("/api/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_this_site_are_gone_to() {
        for path in ["/", "/products?q=a%2Fb&active=true", "/imports/7", "/api/docs"] {
            assert_eq!(local(path), Some(path));
        }
        for path in [
            "",
            "products",
            "//evil.example",
            "/\\evil.example",
            "/\t/evil.example",
            "https://evil.example",
            "javascript:1",
        ] {
            assert_eq!(local(path), None, "{path:?}");
        }
    }

    #[test]
    fn nobody_is_led_to_where_they_come_from() {
        assert_eq!(local("/sign-in?next=/sign-in"), None);
        assert_eq!(local("/setup"), None);
        assert_eq!(sign_in_href("/", str::to_owned), "/sign-in");
        assert_eq!(sign_in_href("/sign-in?next=%2F", str::to_owned), "/sign-in");
        assert_eq!(sign_in_href("/webhooks/7", str::to_owned), "/sign-in?next=/webhooks/7");
        assert!(is_of_the_server("/api/docs") && !is_of_the_server("/apiary"));
    }
}
