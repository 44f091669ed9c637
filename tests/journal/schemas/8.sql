BEGIN TRANSACTION;
CREATE TABLE journal (
	schema INTEGER NOT NULL
);
INSERT INTO "journal" VALUES(8);
CREATE TABLE portals (
	portal VARCHAR(255) NOT NULL,
	pace TEXT NOT NULL,
	newest_message_id BIGINT,
	PRIMARY KEY (portal)
);
INSERT INTO "portals" VALUES('portal.example','',19880118);
CREATE TABLE users (
	name VARCHAR(64) NOT NULL, 
	role VARCHAR(16) NOT NULL, 
	password TEXT NOT NULL, 
	created_at FLOAT NOT NULL, 
	PRIMARY KEY (name)
);
CREATE TABLE sessions (
	id VARCHAR(64) NOT NULL, 
	name VARCHAR(64) NOT NULL, 
	created_at FLOAT NOT NULL, 
	seen_at FLOAT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE sign_in_failures (
	origin VARCHAR(128) NOT NULL, 
	failures INTEGER NOT NULL, 
	last_at FLOAT NOT NULL, 
	PRIMARY KEY (origin)
);
CREATE TABLE audit (
	id INTEGER NOT NULL, 
	at FLOAT NOT NULL, 
	actor TEXT NOT NULL, 
	action VARCHAR(16) NOT NULL, 
	run_id INTEGER, 
	detail TEXT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE rows (
	run_id INTEGER NOT NULL,
	n INTEGER NOT NULL,
	number INTEGER NOT NULL,
	state VARCHAR(8) NOT NULL,
	cells TEXT NOT NULL,
	entity_type VARCHAR(8) NOT NULL,
	entity_id BIGINT NOT NULL,
	chat_id BIGINT NOT NULL,
	user_id BIGINT NOT NULL,
	message TEXT,
	fingerprint BIGINT NOT NULL,
	attempts INTEGER NOT NULL,
	lost INTEGER NOT NULL,
	left_at FLOAT,
	earliest_portal_time FLOAT,
	min_message_id BIGINT,
	message_id BIGINT,
	sent_at FLOAT,
	error_code TEXT,
	error_description TEXT, delivery VARCHAR(9), timezone TEXT,
	PRIMARY KEY (run_id, n)
)
 WITHOUT ROWID
;
INSERT INTO "rows" VALUES(1,0,2,'sent','["Message 0"]','deal',288,8773,0,NULL,-7978630411373060587,1,0,1790201450.0,NULL,NULL,19880117,1790201451.5,NULL,NULL,NULL,NULL);
INSERT INTO "rows" VALUES(1,1,3,'failed','["Message 1"]','deal',288,8773,0,NULL,-3398757425400537281,1,0,1790201450.0,NULL,NULL,NULL,NULL,'CHAT_NOT_IN_CRM','The chat is not one of the entity''s.',NULL,NULL);
INSERT INTO "rows" VALUES(2,0,2,'sent','["Message 0"]','deal',288,8773,0,NULL,-7978630411373060587,1,0,1790201450.0,1790201450.5,19880117,19880118,1790201452.5,NULL,NULL,NULL,NULL);
INSERT INTO "rows" VALUES(2,1,3,'in_doubt','["Message 1"]','deal',288,8773,0,NULL,-3398757425400537281,1,0,1790201450.0,1790201450.5,19880117,NULL,NULL,'NO_ANSWER',NULL,NULL,NULL);
INSERT INTO "rows" VALUES(2,2,4,'sending','["Message 2"]','deal',288,8773,0,NULL,6861880146791202333,1,0,1790201450.0,1790201450.5,19880117,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "rows" VALUES(2,3,5,'pending','["Message 3"]','deal',288,8773,0,NULL,3843406037006029198,0,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE runs (
	id INTEGER NOT NULL,
	created_at FLOAT NOT NULL,
	ended_at FLOAT,
	stage VARCHAR(16) NOT NULL,
	reason TEXT NOT NULL,
	file TEXT NOT NULL,
	sheet TEXT NOT NULL,
	headings TEXT NOT NULL,
	message_column INTEGER,
	portal VARCHAR(255) NOT NULL,
	portal_name TEXT NOT NULL,
	portal_address TEXT NOT NULL,
	identity TEXT NOT NULL,
	content VARCHAR(64) NOT NULL,
	user_id BIGINT NOT NULL,
	again BOOLEAN NOT NULL,
	results_path TEXT NOT NULL,
	settings TEXT NOT NULL,
	count_pending INTEGER NOT NULL,
	count_sending INTEGER NOT NULL,
	count_in_doubt INTEGER NOT NULL,
	count_sent INTEGER NOT NULL,
	count_failed INTEGER NOT NULL,
	count_unknown INTEGER NOT NULL,
	count_invalid INTEGER NOT NULL,
	count_skipped INTEGER NOT NULL,
	holder TEXT,
	seen_at FLOAT, may_leave_to INTEGER,
	PRIMARY KEY (id)
);
INSERT INTO "runs" VALUES(1,1790201440.0,1790201452.0,'finished','','sheet.csv','{"format": "csv"}','["MESSAGE"]',0,'portal.example','','https://portal.example/rest/27/…','webhook 27','c1',27,FALSE,'sheet.results.csv','{}',0,0,0,1,1,0,0,0,NULL,1790201455.0,NULL);
INSERT INTO "runs" VALUES(2,1790201440.0,NULL,'running','','sheet.csv','{"format": "csv"}','["MESSAGE"]',0,'portal.example','','https://portal.example/rest/27/…','webhook 27','c2',27,FALSE,'sheet.results.csv','{}',1,1,1,1,0,0,0,0,'{"host": "old-machine", "pid": 4711, "started": 1790201430.25, "space": "pid:[4026531836]", "token": "3f1c"}',1790201455.0,NULL);
CREATE INDEX runs_by_content ON runs (portal, content);
CREATE INDEX rows_that_left ON rows (fingerprint) WHERE left_at IS NOT NULL;
CREATE INDEX rows_with_id ON rows (message_id) WHERE message_id IS NOT NULL;
CREATE INDEX rows_not_sent ON rows (run_id, state, n) WHERE state IN ('failed', 'unknown', 'invalid', 'skipped');
CREATE INDEX rows_by_code ON rows (run_id, state, error_code) WHERE state IN ('failed', 'unknown', 'invalid', 'skipped');
CREATE INDEX rows_by_delivery ON rows (run_id, delivery) WHERE delivery IS NOT NULL;
CREATE INDEX rows_open ON rows (run_id, state, n, timezone) WHERE state IN ('pending', 'sending', 'in_doubt');
CREATE INDEX sessions_of_user ON sessions (name);
CREATE INDEX audit_of_run ON audit (run_id, id);
COMMIT;
