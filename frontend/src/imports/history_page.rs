//! The history of imports.

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;
use shared::auth::Permission;

use super::table::ImportList;
use crate::auth::Auth;
use crate::ui::{Glyph, Icon, PageHead, page_title};

const PAGE_SIZE: u32 = 25;

/// All imports, in pages (`?before=` in the address).
#[component]
pub fn HistoryPage() -> impl IntoView {
    let auth = Auth::expect();
    let query = use_query_map();
    let before = Memo::new(move |_| query.read().get("before").and_then(|id| id.parse::<i64>().ok()));
    page_title(|| "Imports".to_owned());
    view! {
        <div class="page">
            <PageHead title="Imports" lead="Imported files, with the result of every row.">
                <Show when=move || auth.can(Permission::WriteImports)>
                    <a class="button button-primary" href="/">
                        <Icon glyph=Glyph::Upload />
                        "Import a file"
                    </a>
                </Show>
            </PageHead>
            <ImportList before limit=PAGE_SIZE paged=true />
        </div>
    }
}
