//! The page that a user requested before they had to sign in. Pure.

/// Returns the URL of the sign-in page that redirects to `path`, which includes the query.
pub fn sign_in_href(path: &str, encode: impl Fn(&str) -> String) -> String {
    match local_target(path) {
        None | Some("/") => "/sign-in".to_owned(),
        Some(path) => format!("/sign-in?next={}", encode(path)),
    }
}

/// Returns `next` if it is a page of this site. Other targets are ignored, or a link could redirect a user who signs in to a
/// page that imitates this one. Browsers read `\` as `/`, and skip tabs and line breaks.
pub fn local_target(next: &str) -> Option<&str> {
    let mut chars = next.chars();
    let is_local = chars.next() == Some('/') && !matches!(chars.next(), Some('/' | '\\'));
    let page = next.split(['?', '#']).next().unwrap_or_default();
    let is_auth_page = matches!(page, "/sign-in" | "/setup");
    (is_local && !is_auth_page && !next.chars().any(char::is_control)).then_some(next)
}

/// Whether the server delivers this page, and not this app.
pub fn is_server_page(path: &str) -> bool {
    path.starts_with("/api/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_this_site_are_targets() {
        for path in ["/", "/products?q=a%2Fb&active=true", "/imports/7", "/api/docs"] {
            assert_eq!(local_target(path), Some(path));
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
            assert_eq!(local_target(path), None, "{path:?}");
        }
    }

    #[test]
    fn sign_in_and_setup_are_no_targets() {
        assert_eq!(local_target("/sign-in?next=/sign-in"), None);
        assert_eq!(local_target("/setup"), None);
        assert_eq!(sign_in_href("/", str::to_owned), "/sign-in");
        assert_eq!(sign_in_href("/sign-in?next=%2F", str::to_owned), "/sign-in");
        assert_eq!(sign_in_href("/webhooks/7", str::to_owned), "/sign-in?next=/webhooks/7");
        assert!(is_server_page("/api/docs") && !is_server_page("/apiary"));
    }
}
