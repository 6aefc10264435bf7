"""What Unicode 17.0.0 says of characters in names. Made by ``tools/confusables.py``; do not edit."""

from typing import Final

VERSION: Final = "17.0.0"

ALLOWED: Final = (
    "30-39 41-5a 5f 61-7a c0-d6 d8-f6 f8-113 116-12b 12e-131 134-137 139-13e 141-148 14a-14d 150-155 158-161 "
    "164-17e 181 186 189-18a 18e-192 194 196-199 19d 1a0-1a1 1af-1b0 1b2-1b4 1b7 1cd-1d4 1dd 1e6-1e9 1ee-1ef "
    "1f8-1f9 218-21b 244 24c-24d 253-254 256-257 259 25b 263 268-269 272 289 28b 292 2bb-2bc 386 388-38a 38c "
    "38e-3a1 3a3-3ce 401-40c 40e-44f 451-45c 45e-45f 490-49b 49e-4a5 4a8-4b7 4ba-4c0 4cf-4d9 4dc-4e9 4ee-4f5 "
    "4f8-4f9 524-525 531-556 561-586 5d0-5ea 620-63a 63d 641-64a 660-669 672 674 679-68f 691-69a 69f-6a0 6a2 "
    "6a4-6ab 6ad-6b1 6b3 6b5-6b7 6ba-6be 6c0-6d3 6d5 6ee-6f9 6ff 751-752 756 760 762-763 766-768 76a 76e-771 "
    "780-7a5 7b1 8a0 8a2-8a9 8bb-8c2 8c7 905-90b 90d-928 92a-933 935-939 966-96f 972-977 97b-97c 97e-97f 985-98b "
    "98f-990 993-9a8 9aa-9b0 9b2 9b6-9b9 9ce 9e6-9f1 a05-a0a a0f-a10 a13-a28 a2a-a30 a32 a35 a38-a39 a5c a85-a8d "
    "a8f-a91 a93-aa8 aaa-ab0 ab2-ab3 ab5-ab9 ae6-aef b05-b0b b0f-b10 b13-b28 b2a-b30 b32-b33 b36-b39 b5f b71 b83 "
    "b85-b8a b8e-b90 b92-b95 b99-b9a b9c b9e-b9f ba3-ba4 ba8-baa bae-bb9 c05-c0b c0e-c10 c12-c28 c2a-c30 c32-c33 "
    "c35-c39 c85-c8b c8e-c90 c92-ca8 caa-cb0 cb2-cb3 cb5-cb9 ce6-cef d05-d0b d0e-d10 d12-d28 d2a-d39 d7a-d7f "
    "d85-d8d d91-d96 d9a-d9d d9f-db1 db3-dbb dbd dc0-dc6 e01-e30 e32 e40-e46 e50-e59 e81-e82 e84 e87-e88 e8a e8d "
    "e94-e97 e99-e9f ea1-ea3 ea5 ea7 eaa-eab ead-eae eb0 eb2 ebd ec0-ec4 ec6 ed0-ed9 f20-f29 f40-f42 f44-f47 "
    "f49-f4c f4e-f51 f53-f56 f58-f5b f5d-f68 1000-102a 103f-1049 105a-105d 1061 1075-1081 10c7 10cd 10d0-10f0 "
    "1200-1206 1208-1248 124a-124d 1250-1256 1258 125a-125d 1260-1286 1288 128a-128d 1290-12ae 12b0 12b2-12b5 "
    "12b8-12be 12c0 12c2-12c5 12c8-12d6 12d8-12f7 1300-130e 1310 1312-1315 1318-131e 1320-1346 1348-1359 1780-179c "
    "179f-17a2 17a5-17a7 17aa-17b3 17e0-17e9 1c90-1cba 1cbd-1cbf 1e0c-1e0d 1e12-1e13 1e20-1e21 1e24-1e25 1e36-1e37 "
    "1e3c-1e3f 1e42-1e4b 1e5a-1e5b 1e62-1e63 1e6c-1e6d 1e70-1e71 1e8c-1e8d 1e92-1e93 1e9e 1ea0-1ef9 1fa0-1faf "
    "1fb2-1fb4 1fec 3005-3007 3041-3096 309d-309e 30a1-30fa 30fc-30fe a78d a7aa 1e7e0-1e7e6 1e7e8-1e7eb 1e7ed-1e7ee "
    "1e7f0-1e7fe"
)
"""Letters and digits that identifiers may have, but Han and Hangul: ranges in hexadecimal."""

ALIKE: Final = (
    "0ଠዐ〇 1lӏוןا 6б aαа cсငၚ eеҽ fƒք gց hһհ iıɩιіւ jј nոռ oοσоօסهھہەഠဝ pþρр qգզ rг sѕട uʋυս vνט wшա xх yɣγуүყ áά "
    "äӓ æӕ çҫ ëё íί ïϊї óό ôۿ öӧ úύ üϋ ÿӱ ăǎӑ ęҿ ěӗ ğǧ ħћ ŋηղ ŕѓ şș ŭǔ ǝəә ɍғ ɛεє ʒӡ ʻʼי δծ κк πп τт φф чપ ձኔ պሣ "
    "ئۓࢨ ةۃ تٺ ثپڽۑݒ فڧ كکڪ ىيںیےࢽ ٹڻ ٻې ڎڏ ڤڨ ڭݣ ۀۂ ێݖ ݧࢩ ࢻࢼ उਤ टਟ ठਠ ढਫ पਧ भਮ मਸ वਕ हਵ রৰ ஈர உഉ ஐஜജ ணണ மഥ ழഴ வഖ "
    "ஶஸശ అಅ ఆಆ ఇಇ ఐಐ ఒಒ ఓಓ ఔಔ గಗ జಜ ఝಝ ఞಞ టಟ ణಣ దದ నನ యಯ రರ లಲ ళಳ രറဂი එඵ ඔඹ ඛබ චව භහ ขฃ คดต ฆม จຈ ชซ ฎฏ ฑท บບ ปປ "
    "ฝຝ พພ ฟຟ ภฦ ยຍ าๅ တთ ដត へヘ べベ ぺペ イ亻 エ工 カ力 タ夕 ト卜 ニ二 ノ丿 ハ八 ロ口囗 ー一 㮣槩 䑃朦 丕조 丛쓰 "
    "今슥 併倂 値值 卟마 合슴 啓啟 土士 塡填 墫壿 媯嬀 帡帲 戶戸 晚晩 朏胐 朐胊 朓脁 朘脧 朣膧 杮柿 榝樧 溈潙 爿뉘 "
    "研硏 絕絶 胼腁 蒍蔿 豜豣 赿趆 軿輧 郎郞 鎭鎮 長튽 隷隸 鹂鹃 黑黒"
)
"""Letters that look alike, in lower case: each word is a class."""
