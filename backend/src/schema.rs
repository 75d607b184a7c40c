//! The tables, for diesel. The columns are documented in `migrations/`.

diesel::table! {
    products (id) {
        id -> BigInt,
        sku_key -> Text,
        sku -> Text,
        name -> Text,
        description -> Text,
        active -> Bool,
        attributes -> Jsonb,
        version -> BigInt,
        import_id -> Nullable<BigInt>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    search_segments (id) {
        id -> BigInt,
        ids -> Binary,
        rows -> Integer,
        has_text -> Bool,
        format -> Nullable<SmallInt>,
        posting_bytes -> Nullable<Integer>,
        has_keys -> Bool,
        import_id -> Nullable<BigInt>,
        written_at -> Timestamptz,
    }
}

diesel::table! {
    search_postings (segment_id, block) {
        segment_id -> BigInt,
        block -> Integer,
        offsets -> Binary,
        postings -> Binary,
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
    bulk_jobs (id) {
        id -> BigInt,
        action -> Text,
        filter -> Jsonb,
        undo_of -> Nullable<BigInt>,
        client -> Nullable<Text>,
        status -> Text,
        cancel_requested -> Bool,
        last_id -> BigInt,
        id_done -> BigInt,
        total -> BigInt,
        done -> BigInt,
        changed -> BigInt,
        epoch -> BigInt,
        attempts -> Integer,
        interruptions -> Integer,
        wake_at -> Timestamptz,
        last_enqueued_at -> Nullable<Timestamptz>,
        error -> Nullable<Text>,
        created_at -> Timestamptz,
        finished_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    bulk_job_changes (job_id, last_id) {
        job_id -> BigInt,
        last_id -> BigInt,
        ids -> Binary,
    }
}

diesel::table! {
    deleted_products (id) {
        id -> BigInt,
        product -> Jsonb,
        deleted_at -> Timestamptz,
    }
}

diesel::table! {
    imports (id) {
        id -> BigInt,
        file_name -> Text,
        object_key -> Nullable<Text>,
        size_bytes -> Nullable<BigInt>,
        sha256 -> Nullable<Text>,
        format -> Nullable<Jsonb>,
        status -> Text,
        phase -> Nullable<Text>,
        cancel_requested -> Bool,
        rows_total -> Nullable<BigInt>,
        bytes_scanned -> BigInt,
        rows_read -> BigInt,
        created -> BigInt,
        updated -> BigInt,
        unchanged -> BigInt,
        duplicates -> BigInt,
        rejected -> BigInt,
        last_seq -> BigInt,
        epoch -> BigInt,
        attempts -> Integer,
        interruptions -> Integer,
        wake_at -> Timestamptz,
        last_enqueued_at -> Nullable<Timestamptz>,
        error -> Nullable<Text>,
        created_at -> Timestamptz,
        started_at -> Nullable<Timestamptz>,
        finished_at -> Nullable<Timestamptz>,
        file_removed_at -> Nullable<Timestamptz>,
        details_removed_at -> Nullable<Timestamptz>,
        source_url -> Nullable<Text>,
        bytes_fetched -> BigInt,
        user_id -> Nullable<BigInt>,
    }
}

diesel::table! {
    import_partitions (import_id, partition_no) {
        import_id -> BigInt,
        partition_no -> Integer,
        epoch -> BigInt,
        rows_done -> BigInt,
        created -> BigInt,
        updated -> BigInt,
        unchanged -> BigInt,
        duplicates -> BigInt,
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
        raw -> Nullable<Text>,
    }
}

diesel::table! {
    webhooks (id) {
        id -> BigInt,
        url -> Text,
        description -> Text,
        events -> Array<Text>,
        secret -> Text,
        old_secret -> Nullable<Text>,
        old_secret_until -> Nullable<Timestamptz>,
        enabled -> Bool,
        disabled_reason -> Nullable<Text>,
        disabled_at -> Nullable<Timestamptz>,
        enabled_at -> Timestamptz,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    webhook_events (id) {
        id -> BigInt,
        event_id -> Text,
        kind -> Text,
        product_id -> Nullable<BigInt>,
        payload -> Text,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    webhook_deliveries (id) {
        id -> BigInt,
        webhook_id -> BigInt,
        event -> BigInt,
        kind -> Text,
        product_id -> Nullable<BigInt>,
        bulk -> Bool,
        test -> Bool,
        status -> Text,
        epoch -> Integer,
        failures -> Integer,
        wake_at -> Timestamptz,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    webhook_attempts (delivery_id, no) {
        delivery_id -> BigInt,
        no -> Integer,
        webhook_id -> BigInt,
        test -> Bool,
        at -> Timestamptz,
        code -> Nullable<SmallInt>,
        error -> Nullable<Text>,
        duration_us -> BigInt,
        exchange -> Jsonb,
    }
}

diesel::allow_tables_to_appear_in_same_query!(uploads, upload_chunks);
diesel::joinable!(webhook_deliveries -> webhook_events (event));
diesel::joinable!(webhook_deliveries -> webhooks (webhook_id));
diesel::allow_tables_to_appear_in_same_query!(webhooks, webhook_events, webhook_deliveries, webhook_attempts);

diesel::table! {
    users (id) {
        id -> BigInt,
        name -> Text,
        name_key -> Text,
        role -> Text,
        password_hash -> Text,
        enabled -> Bool,
        created_at -> Timestamptz,
        signed_in_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    sessions (id) {
        id -> BigInt,
        token_hash -> Binary,
        user_id -> BigInt,
        address -> Text,
        user_agent -> Text,
        created_at -> Timestamptz,
        last_used_at -> Timestamptz,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    api_keys (id) {
        id -> BigInt,
        name -> Text,
        prefix -> Text,
        key_hash -> Binary,
        scopes -> Array<Text>,
        owner -> Text,
        user_id -> Nullable<BigInt>,
        created_at -> Timestamptz,
        expires_at -> Nullable<Timestamptz>,
        last_used_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    setup_links (token_hash) {
        token_hash -> Binary,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    audit_log (id) {
        id -> BigInt,
        at -> Timestamptz,
        actor -> Text,
        action -> Text,
        target -> Text,
        address -> Text,
        status -> Nullable<Integer>,
    }
}

diesel::table! {
    sign_in_failures (key) {
        key -> Text,
        failures -> Integer,
        last_at -> Timestamptz,
        blocked_until -> Timestamptz,
    }
}

diesel::joinable!(sessions -> users (user_id));
diesel::allow_tables_to_appear_in_same_query!(users, sessions);

diesel::table! {
    stored_files (object_key) {
        object_key -> Text,
        user_id -> Nullable<BigInt>,
        bytes -> BigInt,
        remove_at -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    uploads (id) {
        id -> Text,
        object_key -> Text,
        file_name -> Text,
        metadata -> Nullable<Text>,
        length -> Nullable<BigInt>,
        received -> BigInt,
        tail -> Binary,
        hash_state -> Binary,
        format -> Nullable<Jsonb>,
        lock_token -> BigInt,
        lock_owner -> Nullable<BigInt>,
        status -> Text,
        problem -> Nullable<Jsonb>,
        import_id -> Nullable<BigInt>,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    upload_chunks (object_key) {
        object_key -> Text,
        upload_id -> Text,
        start -> BigInt,
        size -> BigInt,
        accepted -> Bool,
        renewed_at -> Timestamptz,
    }
}
