ALTER TABLE `affinity` RENAME COLUMN `key_hash` TO `conversation_key`;
