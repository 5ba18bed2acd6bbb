.bail on
.headers on
.mode csv
pragma journal_mode = delete;
create table word(id integer primary key, text text not null unique, weight real);
begin;
with recursive c(n) as (select 1 union all select n + 1 from c where n < 100000)
insert into word select n, printf('w%06d', (n * 7919) % 100003), n / 7.0 from c;
commit;
create index by_weight on word(weight desc);
select count(*) as n, min(text) as first, max(text) as last, round(sum(weight), 3) as weight from word;
select text from word where weight between 100 and 101 order by weight desc;
explain query plan select text from word order by weight desc limit 1;
create view heavy as select substr(text, 1, 3) as kind, count(*) as n from word group by 1 having n > 900;
select kind, n, rank() over (order by n desc, kind) as place from heavy order by place limit 5;
create trigger no_more before delete on word when old.id < 10 begin select raise(abort, 'kept'); end;
create table doc(body text);
insert into doc values (json('{"a": [1, 2, {"b": "é"}]}'));
select json_extract(body, '$.a[2].b') as b, upper(hex(body)) as h from doc;
select date('2024-02-28', '+2 days') as d, 7 / 2 as i, 7 / 2.0 as r, 'a' || null as n, abs(-9223372036854775807) as big;
savepoint s; delete from word where id > 50000; select count(*) from word; rollback to s; release s;
pragma integrity_check;
