//! The authentication state of this tab, and re-authentication when the session ends while a page is open.

use std::cell::{Cell, RefCell};

use js_sys::{Function, Promise};
use leptos::prelude::*;
use shared::{
    auth::{AuthMode, Permission, SessionInfo, SessionUser},
    problem::Problem,
};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{BroadcastChannel, MessageEvent};

use super::{requests, setup};

/// The channel on which tabs of a browser notify each other of a sign-in or sign-out.
const CHANNEL: &str = "loadify-session";

/// The session, as last reported by the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthState {
    /// The server has not responded yet.
    Loading,
    /// The server cannot be reached.
    Unreachable(Problem),
    /// The user must sign in.
    SignedOut,
    /// A user is signed in, or the server is in open mode.
    SignedIn(SessionInfo),
}

/// The current user and their permissions. Available in the context.
#[derive(Clone, Copy)]
pub struct Auth {
    pub(super) state: RwSignal<AuthState>,
    permissions: Memo<Vec<Permission>>,
    user: Memo<Option<SessionUser>>,
    /// The session has ended, and the re-authentication dialog is open.
    pub(super) ended: RwSignal<bool>,
}

thread_local! {
    /// For requests, which run outside of any component.
    static AUTH: Cell<Option<Auth>> = const { Cell::new(None) };
    /// Resolves the promises that wait for the next sign-in.
    static WAITING: RefCell<Vec<Function>> = const { RefCell::new(Vec::new()) };
    /// Number of sign-ins in this tab.
    static SIGN_IN_COUNT: Cell<u32> = const { Cell::new(0) };
    static LEAVING: Cell<bool> = const { Cell::new(false) };
    static TABS: RefCell<Option<BroadcastChannel>> = const { RefCell::new(None) };
}

impl Auth {
    /// Called once, at the root, before anything reads the URL: that of the setup page contains a secret.
    pub fn provide() -> Self {
        setup::take_token();
        let state = RwSignal::new(AuthState::Loading);
        let info = move |take: fn(&SessionInfo) -> Option<SessionUser>| {
            state.with(|state| if let AuthState::SignedIn(info) = state { take(info) } else { None })
        };
        let auth = Self {
            state,
            permissions: Memo::new(move |_| {
                state.with(|state| match state {
                    AuthState::SignedIn(info) => info.permissions.clone(),
                    _ => Vec::new(),
                })
            }),
            user: Memo::new(move |_| info(|info| info.user.clone())),
            ended: RwSignal::new(false),
        };
        AUTH.set(Some(auth));
        provide_context(auth);
        auth.listen_to_other_tabs();
        auth
    }

    pub fn expect() -> Self {
        expect_context()
    }

    /// Whether the current user has this permission.
    pub fn can(self, permission: Permission) -> bool {
        self.permissions.with(|permissions| permissions.contains(&permission))
    }

    pub fn user(self) -> Option<SessionUser> {
        self.user.get()
    }

    /// Whether the server is in open mode.
    pub fn is_open(self) -> bool {
        self.state.with(|state| matches!(state, AuthState::SignedIn(info) if info.mode == AuthMode::Open))
    }

    /// Requests the session from the server. If it cannot be reached, a state that is known already is kept.
    pub async fn load(self) {
        match requests::session().await {
            Ok(Some(info)) => self.set_session(info),
            Ok(None) => self.session_ended(),
            Err(problem) => {
                let known = self.state.with_untracked(|s| matches!(s, AuthState::SignedOut | AuthState::SignedIn(_)));
                if !known {
                    self.state.set(AuthState::Unreachable(problem));
                }
            }
        }
    }

    /// The user has signed in, in this tab.
    pub fn signed_in(self, info: SessionInfo) {
        self.set_session(info);
        notify_other_tabs();
    }

    /// The user has signed out: the page is loaded again, so that it contains none of their data. With unsaved changes the
    /// browser asks first; a user who stays is asked to sign in by the next request.
    pub fn signed_out() {
        notify_other_tabs();
        // It fails only for a malformed URL.
        let _ = window().location().replace("/sign-in");
    }

    /// Leaves the page and discards unsaved changes.
    pub(super) fn leave() {
        LEAVING.set(true);
        // It fails only for a malformed URL.
        let _ = window().location().replace("/sign-in");
    }

    fn set_session(self, info: SessionInfo) {
        let previous = self.state.get_untracked();
        if is_other_user(&previous, &info) {
            // The page contains data of the previous user.
            LEAVING.set(true);
            let _ = window().location().reload();
            return;
        }
        let next = AuthState::SignedIn(info);
        if previous != next {
            self.state.set(next);
        }
        if self.ended.get_untracked() {
            self.ended.set(false);
        }
        SIGN_IN_COUNT.set(SIGN_IN_COUNT.get() + 1);
        for resolve in WAITING.take() {
            // It fails only if it is not a function.
            let _ = resolve.call0(&JsValue::NULL);
        }
    }

    /// The server requires a sign-in: opens the re-authentication dialog, or the sign-in page if no page was open.
    fn session_ended(self) {
        if self.state.with_untracked(|state| matches!(state, AuthState::SignedIn(_))) {
            self.ended.set(true);
        } else {
            self.state.set(AuthState::SignedOut);
        }
    }

    /// A sign-in or sign-out applies to all tabs of the browser.
    fn listen_to_other_tabs(self) {
        let Ok(channel) = BroadcastChannel::new(CHANNEL) else { return };
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |_| spawn_local(self.load()));
        channel.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        // It lives as long as the tab.
        on_message.forget();
        TABS.set(Some(channel));
    }
}

/// Whether another user is signed in than before. A page of open mode can be continued by any user.
fn is_other_user(before: &AuthState, now: &SessionInfo) -> bool {
    let AuthState::SignedIn(before) = before else { return false };
    match (&before.user, &now.user) {
        (Some(before), Some(now)) => before.id != now.id,
        (Some(_), None) => true,
        (None, _) => false,
    }
}

fn notify_other_tabs() {
    TABS.with_borrow(|channel| {
        if let Some(channel) = channel {
            let _ = channel.post_message(&JsValue::TRUE);
        }
    });
}

/// Whether the page is being left without asking about unsaved changes, since the user has changed or chose to leave.
pub fn is_leaving() -> bool {
    LEAVING.get()
}

/// Returns the number of sign-ins in this tab. A request remembers it for [`reauthenticate`].
pub fn sign_in_count() -> u32 {
    SIGN_IN_COUNT.get()
}

/// Waits until the user has signed in again, in a dialog above the page. Returns true at once if that has happened since
/// `count`, and false if no page is open. Does not return if another user signs in: then the page is loaded again.
pub async fn reauthenticate(count: u32) -> bool {
    let Some(auth) = AUTH.get() else { return false };
    if SIGN_IN_COUNT.get() != count {
        return true;
    }
    if !auth.state.with_untracked(|state| matches!(state, AuthState::SignedIn(_))) {
        return false;
    }
    auth.session_ended();
    let promise = Promise::new(&mut |resolve, _| WAITING.with_borrow_mut(|waiting| waiting.push(resolve)));
    JsFuture::from(promise).await.is_ok()
}

/// For event streams, whose errors have no reason: if the session has ended, waits until the user has signed in again.
pub async fn ensure_signed_in() {
    let Some(auth) = AUTH.get() else { return };
    let count = SIGN_IN_COUNT.get();
    if auth.ended.get_untracked() || matches!(requests::session().await, Ok(None)) {
        reauthenticate(count).await;
    }
}

/// Loads the session again, after the server has refused a request that the page offered.
pub fn refresh_permissions() {
    if let Some(auth) = AUTH.get() {
        spawn_local(auth.load());
    }
}

#[cfg(test)]
mod tests {
    use shared::auth::Role;

    use super::*;

    fn info(id: Option<i64>) -> SessionInfo {
        SessionInfo {
            mode: if id.is_some() { AuthMode::Closed } else { AuthMode::Open },
            user: id.map(|id| SessionUser { id, name: "Ada".into(), role: Role::Viewer }),
            permissions: Vec::new(),
            idle_until: None,
            expires_at: None,
        }
    }

    #[test]
    fn a_page_is_not_continued_by_another_user() {
        let page = AuthState::SignedIn(info(Some(1)));
        assert!(!is_other_user(&page, &info(Some(1))));
        assert!(is_other_user(&page, &info(Some(2))));
        assert!(is_other_user(&page, &info(None)));
        // A page of open mode.
        assert!(!is_other_user(&AuthState::SignedIn(info(None)), &info(Some(1))));
        assert!(!is_other_user(&AuthState::SignedOut, &info(Some(1))));
    }
}
