//! The icons of the app, drawn on a grid of 16.

use leptos::prelude::*;

/// An icon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Glyph {
    ArrowDown,
    ArrowUp,
    Check,
    Chevron,
    Clock,
    Columns,
    Copy,
    Cross,
    Download,
    External,
    File,
    Filter,
    Key,
    Keyboard,
    More,
    Next,
    Users,
    User,
    Plus,
    Previous,
    Products,
    Search,
    SignOut,
    Trash,
    Upload,
    Warning,
}

impl Glyph {
    /// Returns the path of its strokes.
    const fn path(self) -> &'static str {
        match self {
            Self::ArrowDown => "M8 3.5v9M4.75 9.25 8 12.5l3.25-3.25",
            Self::ArrowUp => "M8 12.5v-9M4.75 6.75 8 3.5l3.25 3.25",
            Self::Check => "M3.5 8.5 6.5 11.5 12.5 4.5",
            Self::Chevron => "M6 4l4 4-4 4",
            Self::Clock => "M8 4.5V8l2.25 1.5M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0Z",
            Self::Columns => "M2.5 3h11v10h-11zM6.25 3v10M9.75 3v10",
            Self::Copy => "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
            Self::Cross => "M4.5 4.5l7 7M11.5 4.5l-7 7",
            Self::Download => "M8 2.5v7.5M4.75 7 8 10.25 11.25 7M2.5 13.5h11",
            Self::External => "M6 3.5h6.5V10M12.25 3.75 4 12",
            Self::File => "M9 1.75H4.5a1 1 0 0 0-1 1v10.5a1 1 0 0 0 1 1h7a1 1 0 0 0 1-1v-8L9 1.75Zm0 0v3.5h3.5",
            Self::Filter => "M2 4h12M4.25 8h7.5M6.5 12h3",
            Self::Key => "M9 7a3.25 3.25 0 1 1-6.5 0A3.25 3.25 0 0 1 9 7ZM8.6 8.6l4.9 4.9M11.25 11.25l1.75-1.75",
            Self::Keyboard => "M1.75 4h12.5v8H1.75zM4.25 6.5h.01M6.75 6.5h.01M9.25 6.5h.01M11.75 6.5h.01M5 9.5h6",
            Self::More => "M3.5 8h.01M8 8h.01M12.5 8h.01",
            Self::Next => "M3 8h10M9 4l4 4-4 4",
            Self::Users => {
                "M8.25 5.25a2.25 2.25 0 1 1-4.5 0 2.25 2.25 0 0 1 4.5 0ZM1.75 13c0-2.5 1.75-3.75 4.25-3.75s4.25 1.25 4.25 3.75M10.25 3.2a2.25 2.25 0 0 1 0 4.1M12 9.5c1.5.5 2.25 1.7 2.25 3.5"
            }
            Self::User => {
                "M10.75 5a2.75 2.75 0 1 1-5.5 0 2.75 2.75 0 0 1 5.5 0ZM2.75 13.75c0-3 2-4.5 5.25-4.5s5.25 1.5 5.25 4.5"
            }
            Self::Plus => "M8 3v10M3 8h10",
            Self::Previous => "M13 8H3M7 4 3 8l4 4",
            Self::Products => "M8 1.75 13.5 4.75v6.5L8 14.25l-5.5-3v-6.5L8 1.75Zm0 6.25 5.5-3.25M8 8 2.5 4.75M8 8v6.25",
            Self::Search => "M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9ZM10.25 10.25 13.5 13.5",
            Self::SignOut => "M9.5 2.5h-6v11h6M7 8h6.5M11 5.25 13.75 8 11 10.75",
            Self::Trash => "M2.75 4.25h10.5M6.25 4V2.5h3.5V4M4 4.25l.6 9.25h6.8l.6-9.25M6.75 7v4M9.25 7v4",
            Self::Upload => "M8 10.5V2.75M4.75 6 8 2.75 11.25 6M2.5 10.5v2a1 1 0 0 0 1 1h9a1 1 0 0 0 1-1v-2",
            Self::Warning => {
                "M8 6v3.25M8 11.5v.01M7.1 2.5 1.7 11.9a1 1 0 0 0 .9 1.5h10.8a1 1 0 0 0 .9-1.5L8.9 2.5a1 1 0 0 0-1.8 0Z"
            }
        }
    }
}

/// An icon next to a text that says the same, so screen readers skip it.
#[component]
pub fn Icon(glyph: Glyph) -> impl IntoView {
    view! {
        <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
            <path d=glyph.path() />
        </svg>
    }
}

/// An L with rows in its corner.
#[component]
pub fn Logo() -> impl IntoView {
    view! {
        <svg class="logo" viewBox="0 0 24 24" aria-hidden="true">
            <rect width="24" height="24" rx="6" />
            <path class="logo-letter" d="M7 6v12h10.5" />
            <path class="logo-rows" d="M11.5 7.5h6M11.5 12.75h3.5" />
        </svg>
    }
}
