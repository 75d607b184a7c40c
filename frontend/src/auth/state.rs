//! Who is signed in, as far as this tab knows, and what happens when the session ends under an open page.

use std::cell::{Cell, RefCell};

use js_sys::{Function, Promise};
use leptos::prelude::*;
use shared::{
    auth::{AccessMode, Permission, SessionInfo, SignedIn},
    problem::Problem,
};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{BroadcastChannel, MessageEvent};

use super::{requests, setup};

/// The channel on which the tabs of a browser tell each other that somebody came or went.
const CHANNEL: &str = "loadify-session";

/// What the server said about who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It has not answered yet.
    Asking,
    /// It cannot be asked.
    Away(Problem),
    /// One must sign in.
    Out,
    /// Somebody is signed in, or nobody has to be.
    In(SessionInfo),
}

/// Who is here, and what they may do. Found in the context.
#[derive(Clone, Copy)]
pub struct Access {
    pub(super) standing: RwSignal<Standing>,
    permissions: Memo<Vec<Permission>>,
    person: Memo<Option<SignedIn>>,
    /// The session has ended, and the page waits for the next one.
    pub(super) ended: RwSignal<bool>,
}

thread_local! {
    /// For the calls to the server, which run outside of any component.
    static ACCESS: Cell<Option<Access>> = const { Cell::new(None) };
    /// What goes on once somebody is signed in again.
    static WAITING: RefCell<Vec<Function>> = const { RefCell::new(Vec::new()) };
    /// How often somebody signed in again in this tab.
    static ROUND: Cell<u32> = const { Cell::new(0) };
    static LEAVING: Cell<bool> = const { Cell::new(false) };
    static TABS: RefCell<Option<BroadcastChannel>> = const { RefCell::new(None) };
}

impl Access {
    /// Called once, at the root, before anything looks at the address: that of the setup has a secret in it.
    pub fn provide() -> Self {
        setup::take_token();
        let standing = RwSignal::new(Standing::Asking);
        let info = move |take: fn(&SessionInfo) -> Option<SignedIn>| {
            standing.with(|standing| if let Standing::In(info) = standing { take(info) } else { None })
        };
        let access = Self {
            standing,
            permissions: Memo::new(move |_| {
                standing.with(|standing| match standing {
                    Standing::In(info) => info.permissions.clone(),
                    _ => Vec::new(),
                })
            }),
            person: Memo::new(move |_| info(|info| info.person.clone())),
            ended: RwSignal::new(false),
        };
        ACCESS.set(Some(access));
        provide_context(access);
        access.hear_other_tabs();
        access
    }

    pub fn expect() -> Self {
        expect_context()
    }

    /// Whether this is allowed, and so to be offered.
    pub fn may(self, permission: Permission) -> bool {
        self.permissions.with(|permissions| permissions.contains(&permission))
    }

    pub fn person(self) -> Option<SignedIn> {
        self.person.get()
    }

    /// Nobody has to sign in.
    pub fn is_open(self) -> bool {
        self.standing.with(|standing| matches!(standing, Standing::In(info) if info.mode == AccessMode::Open))
    }

    /// Asks the server who this is. Says so where it cannot be asked and nothing is known yet.
    pub async fn ask(self) {
        match requests::session().await {
            Ok(Some(info)) => self.enter(info),
            Ok(None) => self.end(),
            Err(problem) => {
                let known = self.standing.with_untracked(|s| matches!(s, Standing::Out | Standing::In(_)));
                if !known {
                    self.standing.set(Standing::Away(problem));
                }
            }
        }
    }

    /// Somebody has signed in here.
    pub fn signed_in(self, info: SessionInfo) {
        self.enter(info);
        tell_other_tabs();
    }

    /// The session was ended by the person: the page begins anew, with nothing of theirs in it. Where something is typed
    /// that is not saved, the browser asks; who stays then is asked to sign in by the next request.
    pub fn signed_out() {
        tell_other_tabs();
        // It fails only for an address that cannot be read.
        let _ = window().location().replace("/sign-in");
    }

    /// Gives the page up with all that is typed in it.
    pub(super) fn leave() {
        LEAVING.set(true);
        // It fails only for an address that cannot be read.
        let _ = window().location().replace("/sign-in");
    }

    fn enter(self, info: SessionInfo) {
        let before = self.standing.get_untracked();
        if is_another(&before, &info) {
            // What stands on the page is not theirs.
            LEAVING.set(true);
            let _ = window().location().reload();
            return;
        }
        let next = Standing::In(info);
        if before != next {
            self.standing.set(next);
        }
        if self.ended.get_untracked() {
            self.ended.set(false);
        }
        ROUND.set(ROUND.get() + 1);
        for go_on in WAITING.take() {
            // It fails only where it is no function.
            let _ = go_on.call0(&JsValue::NULL);
        }
    }

    /// Nobody is signed in any more, or yet.
    fn end(self) {
        if self.standing.with_untracked(|standing| matches!(standing, Standing::In(_))) {
            self.ended.set(true);
        } else {
            self.standing.set(Standing::Out);
        }
    }

    /// Signing in or out in one tab concerns all of the browser.
    fn hear_other_tabs(self) {
        let Ok(channel) = BroadcastChannel::new(CHANNEL) else { return };
        let heard = Closure::<dyn FnMut(MessageEvent)>::new(move |_| spawn_local(self.ask()));
        channel.set_onmessage(Some(heard.as_ref().unchecked_ref()));
        // As long as the tab is there.
        heard.forget();
        TABS.set(Some(channel));
    }
}

/// Whether somebody else is signed in now than was before. Where nobody had to be, whoever comes may go on.
fn is_another(before: &Standing, now: &SessionInfo) -> bool {
    let Standing::In(before) = before else { return false };
    match (&before.person, &now.person) {
        (Some(before), Some(now)) => before.id != now.id,
        (Some(_), None) => true,
        (None, _) => false,
    }
}

fn tell_other_tabs() {
    TABS.with_borrow(|channel| {
        if let Some(channel) = channel {
            let _ = channel.post_message(&JsValue::TRUE);
        }
    });
}

/// Whether the page is being left for one that is not this person's: nothing is asked about what is typed.
pub fn is_leaving() -> bool {
    LEAVING.get()
}

/// Counts those who signed in. A request remembers it, for [`sign_in_again`].
pub fn round() -> u32 {
    ROUND.get()
}

/// The session has ended: waits until the person has signed in again, in a dialog above the page. At once where that has
/// been done since `round`. Never where another person signs in: the page begins anew then. False where nobody can be
/// asked to.
pub async fn sign_in_again(round: u32) -> bool {
    let Some(access) = ACCESS.get() else { return false };
    if ROUND.get() != round {
        return true;
    }
    if !access.standing.with_untracked(|standing| matches!(standing, Standing::In(_))) {
        return false;
    }
    access.end();
    let promise = Promise::new(&mut |resolve, _| WAITING.with_borrow_mut(|waiting| waiting.push(resolve)));
    JsFuture::from(promise).await.is_ok()
}

/// For streams, which do not say why they fail: asks whether the session has ended, and waits for the next one then.
pub async fn still_in() {
    let Some(access) = ACCESS.get() else { return };
    let round = ROUND.get();
    if access.ended.get_untracked() || matches!(requests::session().await, Ok(None)) {
        sign_in_again(round).await;
    }
}

/// What this person may do seems to be other than this page thought.
pub fn look_again() {
    if let Some(access) = ACCESS.get() {
        spawn_local(access.ask());
    }
}

#[cfg(test)]
mod tests {
    use shared::auth::Role;

    use super::*;

    fn info(id: Option<i64>) -> SessionInfo {
        SessionInfo {
            mode: if id.is_some() { AccessMode::Closed } else { AccessMode::Open },
            person: id.map(|id| SignedIn { id, name: "Ada".into(), role: Role::Viewer }),
            permissions: Vec::new(),
            idle_until: None,
            expires_at: None,
        }
    }

    #[test]
    fn a_page_is_for_who_it_was_made_for() {
        let theirs = Standing::In(info(Some(1)));
        assert!(!is_another(&theirs, &info(Some(1))));
        assert!(is_another(&theirs, &info(Some(2))));
        assert!(is_another(&theirs, &info(None)));
        // Everybody's page may become somebody's.
        assert!(!is_another(&Standing::In(info(None)), &info(Some(1))));
        assert!(!is_another(&Standing::Out, &info(Some(1))));
    }
}
