"""The page's style sheet: light, dark and print, on a screen as wide as a phone's or wider."""

CSS = """\
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#57606a;--paper:#fff;--card:#f6f8fa;
--grid:#d8dee4;--one:#2f6db3;--two:#b54708;--good:#1a7f37;--bad:#cf222e;--wait:#8a5a00;
--hold:#8a5a0024;--over:#57606a1f}
@media (prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9ba7b4;--paper:#0f1419;
--card:#171d24;--grid:#303842;--one:#79b8ff;--two:#f0a35e;--good:#56d364;--bad:#ff7b72;
--wait:#e3b341;--hold:#e3b34126;--over:#9ba7b426}}
*{box-sizing:border-box}
body{font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif;color:var(--ink);
background:var(--paper);margin:0 auto;max-width:880px;padding:2rem 1.25rem 3rem}
h1{font-size:1.45rem;line-height:1.35;margin:.6rem 0 1.2rem;text-wrap:pretty}
h2{font-size:1.02rem;margin:2.2rem 0 .5rem}
p{margin:.4rem 0}.soft,figcaption,dt,th{color:var(--soft)}
.badge{display:inline-block;border:1.5px solid;border-radius:2em;padding:.1rem .8rem;
font-weight:600;font-size:.9rem}
.good{color:var(--good)}.bad{color:var(--bad)}.wait{color:var(--wait)}
dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(var(--cell,18rem),1fr));
gap:.6rem 1.5rem;margin:0;background:var(--card);
border:1px solid var(--grid);border-radius:8px;padding:.8rem 1rem}
dl div{min-width:0}dt{font-size:.8rem}dd{margin:0;overflow-wrap:anywhere}
code{font:.9em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}
pre{background:var(--card);border:1px solid var(--grid);border-radius:8px;padding:.7rem 1rem;
white-space:pre-wrap;margin:.5rem 0}
.strip{display:grid;grid-template-columns:repeat(auto-fill,minmax(7.4rem,1fr));gap:.5rem;
list-style:none;padding:0;margin:0;font-size:.85rem;line-height:1.4}
.strip li{border:1px solid var(--grid);border-top:4px solid;border-radius:6px;padding:.4rem .6rem}
.strip b{font-size:1.15rem;color:var(--ink)}.strip span{color:var(--soft);display:block}
.strip .soft{border-top-color:var(--grid)}
figure{margin:0}figcaption{font-size:.85rem;margin-bottom:.2rem}
.key{white-space:nowrap;margin-right:.9rem}.key svg{display:inline;width:30px;height:10px;
vertical-align:middle;margin-right:.3rem}
svg{width:100%;height:auto;display:block}svg text{font-size:11px;fill:var(--soft);
paint-order:stroke;stroke:var(--paper);stroke-width:3px;stroke-linejoin:round}
polyline,.key line{fill:none;stroke-width:2;stroke-linejoin:round}
polyline{vector-effect:non-scaling-stroke}
.one{stroke:var(--one);stroke-dasharray:6 3}.two{stroke:var(--two)}.thin{stroke-width:1.2;
opacity:.75}.plan{stroke:var(--ink);stroke-dasharray:2 3}
polygon{opacity:.16}polygon.one{fill:var(--one);stroke:none}polygon.two{fill:var(--two);
stroke:none}
.grid{stroke:var(--grid)}.change{stroke:var(--grid);stroke-dasharray:1 3}
line.limit{stroke:var(--bad);stroke-dasharray:8 4;stroke-width:1.3}svg text.limit{fill:var(--bad)}
.hold{fill:var(--hold)}line.flag{stroke:var(--ink);stroke-width:1.3}svg text.flag{fill:var(--ink)}
.over{fill:transparent}.over:hover{fill:var(--over)}
.many{--cell:9rem}footer{margin-top:2.5rem;font-size:.82rem;color:var(--soft)}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.88rem}
th,td{text-align:left;padding:.35rem .9rem .35rem 0;border-bottom:1px solid var(--grid);
vertical-align:top}
th{font-weight:500;font-size:.82rem}td:last-child,th:last-child{padding-right:0}
td{font-variant-numeric:tabular-nums}td.time{color:var(--soft)}
.time,td.good,td.bad,td.soft{white-space:nowrap}
@media (max-width:560px){body{padding:1rem .9rem 2rem}h1{font-size:1.2rem}svg text{font-size:17px}
.strip{grid-template-columns:repeat(auto-fill,minmax(6.4rem,1fr))}dl{--cell:9rem}
table.wide{min-width:42rem}}
@media print{:root{--ink:#000;--soft:#444;--paper:#fff;--card:#fff;--grid:#bbb;--one:#1d4f8c;
--two:#8f3a06;--good:#116329;--bad:#a40e26;--wait:#6b4700;--hold:#0001}
body{max-width:none;padding:0;font-size:10.5pt}h1{font-size:15pt}h2{break-after:avoid}
figure,tr,li,dl,pre{break-inside:avoid}thead{display:table-header-group}.over{display:none}}
"""
