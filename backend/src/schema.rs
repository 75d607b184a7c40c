//! The tables, for diesel. What the columns mean stands in `migrations/`.

diesel::table! {
    products (id) {
        id -> BigInt,
        sku_key -> Text,
        sku -> Text,
        name -> Text,
        description -> Text,
        active -> Bool,
        attributes -> Jsonb,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        version -> BigInt,
        import_id -> Nullable<BigInt>,
    }
}

diesel::table! {
    search_segments (id) {
        id -> BigInt,
        ids -> Binary,
        rows -> Integer,
        has_text -> Bool,
        directory -> Nullable<Binary>,
        lists -> Nullable<Binary>,
        keyed -> Bool,
        import_id -> Nullable<BigInt>,
        at -> Timestamptz,
    }
}

diesel::table! {
    search_keys (product_id) {
        product_id -> BigInt,
        name_key -> Text,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        import_id -> Nullable<BigInt>,
    }
}

diesel::table! {
    imports (id) {
        id -> BigInt,
        file_name -> Text,
        object_key -> Text,
        size_bytes -> BigInt,
        sha256 -> Text,
        layout -> Jsonb,
        status -> Text,
        phase -> Nullable<Text>,
        cancel_requested -> Bool,
        rows_total -> Nullable<BigInt>,
        bytes_surveyed -> BigInt,
        rows_read -> BigInt,
        created -> BigInt,
        updated -> BigInt,
        unchanged -> BigInt,
        repeated -> BigInt,
        rejected -> BigInt,
        last_seq -> BigInt,
        epoch -> BigInt,
        attempts -> Integer,
        wake_at -> Timestamptz,
        rung_at -> Nullable<Timestamptz>,
        error -> Nullable<Text>,
        created_at -> Timestamptz,
        started_at -> Nullable<Timestamptz>,
        finished_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    import_lanes (import_id, lane) {
        import_id -> BigInt,
        lane -> Integer,
        epoch -> BigInt,
        rows_done -> BigInt,
        created -> BigInt,
        updated -> BigInt,
        unchanged -> BigInt,
        repeated -> BigInt,
        rejected -> BigInt,
    }
}

diesel::table! {
    import_events (import_id, seq) {
        import_id -> BigInt,
        seq -> BigInt,
        kind -> Text,
        data -> Jsonb,
        at -> Timestamptz,
    }
}

diesel::table! {
    import_errors (import_id, row_no) {
        import_id -> BigInt,
        row_no -> BigInt,
        line -> BigInt,
        column -> Nullable<Text>,
        code -> Text,
        message -> Text,
        raw -> Text,
    }
}
