CREATE TABLE `account_credits` (
	`account_id` text PRIMARY KEY NOT NULL,
	`has_credits` integer NOT NULL,
	`unlimited` integer NOT NULL,
	`balance` text,
	`seen_at_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `account_models` (
	`account_id` text NOT NULL,
	`client_version` text NOT NULL,
	`entries` text NOT NULL,
	`etag` text,
	`fetched_at_ms` integer NOT NULL,
	PRIMARY KEY(`account_id`, `client_version`),
	FOREIGN KEY (`account_id`) REFERENCES `accounts`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE TABLE `accounts` (
	`id` text PRIMARY KEY NOT NULL,
	`chatgpt_account_id` text NOT NULL,
	`chatgpt_user_id` text,
	`workspace_id` text,
	`email` text,
	`alias` text,
	`plan_type` text NOT NULL,
	`workspace_label` text,
	`seat_type` text,
	`routing_policy` text NOT NULL,
	`reserve_at_percent` real,
	`state` text NOT NULL,
	`state_reason` text,
	`state_until_ms` integer,
	`created_at_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `affinity` (
	`key_hash` text PRIMARY KEY NOT NULL,
	`account_id` text NOT NULL,
	`expires_at_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `affinity_expiry` ON `affinity` (`expires_at_ms`);--> statement-breakpoint
CREATE INDEX `affinity_account` ON `affinity` (`account_id`);--> statement-breakpoint
CREATE TABLE `api_keys` (
	`id` text PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`key_hash` text NOT NULL,
	`key_prefix` text NOT NULL,
	`is_active` integer NOT NULL,
	`allowed_models` text,
	`enforced_model` text,
	`enforced_reasoning_effort` text,
	`enforced_service_tier` text,
	`assigned_account_ids` text,
	`balance_enabled` integer NOT NULL,
	`expires_at_ms` integer,
	`created_at_ms` integer NOT NULL,
	`last_used_at_ms` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `api_keys_key_hash_unique` ON `api_keys` (`key_hash`);--> statement-breakpoint
CREATE TABLE `audit_log` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`at_ms` integer NOT NULL,
	`actor` text NOT NULL,
	`actor_ip` text,
	`action` text NOT NULL,
	`target` text,
	`details` text
);
--> statement-breakpoint
CREATE INDEX `audit_log_time` ON `audit_log` (`at_ms`,`id`);--> statement-breakpoint
CREATE INDEX `audit_log_action` ON `audit_log` (`action`,`id`);--> statement-breakpoint
CREATE TABLE `credentials` (
	`account_id` text PRIMARY KEY NOT NULL,
	`kind` text NOT NULL,
	`access_token` blob NOT NULL,
	`refresh_token` blob,
	`id_token` blob,
	`access_expires_at_ms` integer,
	`last_refresh_at_ms` integer,
	FOREIGN KEY (`account_id`) REFERENCES `accounts`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE TABLE `dashboard_credentials` (
	`id` integer PRIMARY KEY NOT NULL,
	`password_hash` text,
	`totp_secret` blob,
	`totp_last_step` integer,
	`recovery_code_hashes` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `dashboard_sessions` (
	`id` text PRIMARY KEY NOT NULL,
	`token_hash` text NOT NULL,
	`role` text NOT NULL,
	`totp_verified` integer NOT NULL,
	`created_at_ms` integer NOT NULL,
	`last_seen_at_ms` integer NOT NULL,
	`expires_at_ms` integer NOT NULL,
	`client_ip` text,
	`user_agent` text
);
--> statement-breakpoint
CREATE UNIQUE INDEX `dashboard_sessions_token_hash_unique` ON `dashboard_sessions` (`token_hash`);--> statement-breakpoint
CREATE INDEX `dashboard_sessions_expiry` ON `dashboard_sessions` (`expires_at_ms`);--> statement-breakpoint
CREATE TABLE `error_rollups` (
	`hour_ms` integer NOT NULL,
	`account_id` text NOT NULL,
	`api_key_id` text NOT NULL,
	`error_code` text NOT NULL,
	`requests` integer NOT NULL,
	PRIMARY KEY(`hour_ms`, `account_id`, `api_key_id`, `error_code`)
);
--> statement-breakpoint
CREATE TABLE `key_ledger` (
	`id` text PRIMARY KEY NOT NULL,
	`api_key_id` text NOT NULL,
	`at_ms` integer NOT NULL,
	`kind` text NOT NULL,
	`amount_micros` integer NOT NULL,
	`note` text,
	FOREIGN KEY (`api_key_id`) REFERENCES `api_keys`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `key_ledger_key` ON `key_ledger` (`api_key_id`,`at_ms`);--> statement-breakpoint
CREATE TABLE `key_limits` (
	`id` text PRIMARY KEY NOT NULL,
	`api_key_id` text NOT NULL,
	`limit_type` text NOT NULL,
	`limit_window` text NOT NULL,
	`max_value` integer NOT NULL,
	`model_filter` text,
	`anchor_ms` integer NOT NULL,
	FOREIGN KEY (`api_key_id`) REFERENCES `api_keys`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `key_limits_key` ON `key_limits` (`api_key_id`);--> statement-breakpoint
CREATE TABLE `price_overrides` (
	`model` text PRIMARY KEY NOT NULL,
	`price` text NOT NULL,
	`updated_at_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `request_rollups` (
	`level` text NOT NULL,
	`hour_ms` integer NOT NULL,
	`account_id` text NOT NULL,
	`api_key_id` text NOT NULL,
	`model` text NOT NULL,
	`requests` integer NOT NULL,
	`errors` integer NOT NULL,
	`cancelled` integer NOT NULL,
	`input_tokens` integer NOT NULL,
	`cached_input_tokens` integer NOT NULL,
	`output_tokens` integer NOT NULL,
	`reasoning_tokens` integer NOT NULL,
	`cost_micros` integer NOT NULL,
	`latency_ms_sum` real NOT NULL,
	`first_token_ms_sum` real NOT NULL,
	`first_tokens` integer NOT NULL,
	`attempts` integer NOT NULL,
	PRIMARY KEY(`level`, `hour_ms`, `account_id`, `api_key_id`, `model`)
);
--> statement-breakpoint
CREATE INDEX `request_rollups_key` ON `request_rollups` (`api_key_id`,`level`,`hour_ms`);--> statement-breakpoint
CREATE TABLE `requests` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`request_id` text NOT NULL,
	`requested_at_ms` integer NOT NULL,
	`route` text NOT NULL,
	`session_id` text,
	`thread_id` text,
	`turn_id` text,
	`request_kind` text NOT NULL,
	`account_id` text,
	`plan_type` text,
	`api_key_id` text,
	`api_key_name` text,
	`model` text,
	`service_tier` text,
	`reasoning_effort` text,
	`transport` text NOT NULL,
	`upstream_transport` text,
	`lane` text NOT NULL,
	`attempts` text NOT NULL,
	`selection` text,
	`status` text NOT NULL,
	`error_code` text,
	`error_message` text,
	`upstream_status_code` integer,
	`input_tokens` integer NOT NULL,
	`cached_input_tokens` integer NOT NULL,
	`output_tokens` integer NOT NULL,
	`reasoning_tokens` integer NOT NULL,
	`web_search_calls` integer NOT NULL,
	`generated_images` integer NOT NULL,
	`input_cost_micros` integer NOT NULL,
	`cached_input_cost_micros` integer NOT NULL,
	`output_cost_micros` integer NOT NULL,
	`tool_calls_cost_micros` integer NOT NULL,
	`total_cost_micros` integer NOT NULL,
	`cost_estimated` integer NOT NULL,
	`latency_ms` real NOT NULL,
	`latency_queue_ms` real,
	`latency_select_ms` real,
	`latency_connect_ms` real,
	`latency_first_token_ms` real,
	`user_agent` text,
	`client_ip` text
);
--> statement-breakpoint
CREATE INDEX `requests_time` ON `requests` (`requested_at_ms`,`id`);--> statement-breakpoint
CREATE INDEX `requests_account` ON `requests` (`account_id`,`requested_at_ms`,`id`);--> statement-breakpoint
CREATE INDEX `requests_key` ON `requests` (`api_key_id`,`requested_at_ms`,`id`);--> statement-breakpoint
CREATE INDEX `requests_status` ON `requests` (`status`,`requested_at_ms`,`id`);--> statement-breakpoint
CREATE INDEX `requests_model` ON `requests` (`model`,`reasoning_effort`,`requested_at_ms`,`id`);--> statement-breakpoint
CREATE INDEX `requests_error` ON `requests` (`error_code`,`requested_at_ms`,`id`) WHERE error_code IS NOT NULL;--> statement-breakpoint
CREATE INDEX `requests_request_id` ON `requests` (`request_id`,`requested_at_ms`,`id`);--> statement-breakpoint
CREATE INDEX `requests_session` ON `requests` (`session_id`,`requested_at_ms`,`id`) WHERE session_id IS NOT NULL;--> statement-breakpoint
CREATE TABLE `settings` (
	`id` integer PRIMARY KEY NOT NULL,
	`version` integer NOT NULL,
	`values` text NOT NULL,
	`updated_at_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `store_meta` (
	`name` text PRIMARY KEY NOT NULL,
	`value` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `window_history` (
	`account_id` text NOT NULL,
	`scope` text NOT NULL,
	`minutes` integer NOT NULL,
	`at_ms` integer NOT NULL,
	`used_percent` real NOT NULL,
	`reset_at_ms` integer NOT NULL,
	PRIMARY KEY(`account_id`, `scope`, `minutes`, `at_ms`)
);
--> statement-breakpoint
CREATE INDEX `window_history_at` ON `window_history` (`at_ms`);--> statement-breakpoint
CREATE TABLE `window_snapshots` (
	`account_id` text NOT NULL,
	`scope` text NOT NULL,
	`minutes` integer NOT NULL,
	`used_percent` real NOT NULL,
	`reset_at_ms` integer NOT NULL,
	`seen_at_ms` integer NOT NULL,
	PRIMARY KEY(`account_id`, `scope`, `minutes`)
);
