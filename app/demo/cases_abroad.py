"""Cases in other languages than English; `cases` says how they are written."""

from __future__ import annotations

BOOK = """
# technical/pump de 3 pump, hardware
S Pumpe des {product} läuft nicht mehr
S Kein Wasser im oberen Fach
O Guten Tag, seit {day} läuft die Pumpe unseres {product} nicht mehr. Das Gerät steht in der Küche.
O Im oberen Fach unseres {product} kommt kein Wasser mehr an, unten ist alles in Ordnung.
D Den Filter habe ich schon gereinigt, leider ohne Erfolg.
D In der App steht {code}.
A Guten Tag, könnten Sie den Schlauch abziehen und nachsehen, ob weißer Belag darin ist? Ein Bild
  davon hilft uns sehr.
C Ja, da war viel Kalk. Ich habe alles gespült, jetzt tropft es immerhin.
R Vielen Dank. Eine neue Pumpe ist unterwegs und kommt in zwei Tagen an. Bitte geben Sie einmal im
  Monat etwas Zitronensäure ins Wasser.
N Kalk, Ersatz ohne Rücksendung.

# billing/invoice de 2 invoice
S Rechnung {order} mit falscher Anschrift
O Auf der Rechnung {order} steht noch unsere alte Anschrift. Wir sind im Frühjahr umgezogen.
D Bitte schicken Sie uns eine berichtigte Rechnung für die Buchhaltung.
A Gern. Ist die Anschrift der Lieferung die richtige, oder gibt es eine eigene für Rechnungen?
C Die Anschrift der Lieferung stimmt.
R Die berichtigte Rechnung hängt an, die alte ist storniert.
N Anschrift im Shop geändert, in der Buchhaltung nicht.

# general/order fr 3 order, shop
S Commande {order} toujours pas arrivée
S Délai de livraison pour le {product}
O Bonjour, ma commande {order} est indiquée comme expédiée depuis {day}, mais rien n'est arrivé.
O Bonjour, nous aimerions savoir combien de temps il faut pour recevoir un {product} à {city}.
D Le transporteur ne répond pas au téléphone.
D C'est un cadeau pour un anniversaire.
A Bonjour, je viens de demander au transporteur. Y a-t-il un voisin qui accepte les colis ?
C Oui, la gardienne au rez-de-chaussée.
R Le colis est retrouvé, il sera livré demain matin. Merci de votre patience.
N Étiquette abîmée, nouvelle étiquette imprimée.

# technical/connection es 3 app, wifi
S La aplicación no encuentra el {product}
O Hola, desde que cambiamos el router la aplicación no encuentra nuestro {product}.
D La luz pequeña parpadea en azul y blanco.
D Los demás aparatos de la casa funcionan bien.
A Hola, ¿la red nueva tiene 2,4 GHz? Muchos routers pueden abrir una red de invitados que la tiene.
C Con la red de invitados funciona, muchas gracias.
R Me alegro mucho. He puesto los dos jardines en una sola lista.
N Otro caso del mismo router.

# technical/light ar 2 lamp, hardware
S المصباح لا يعمل في المساء
O مرحباً، منذ عدة أيام ينطفئ مصباح {product} في المساء ثم يعود بعد دقائق.
D جربت إعادة التشغيل ولم يتغير شيء.
A مرحباً، هل يمكنكم إرسال صورة من صفحة اليوميات في التطبيق؟
C أرفقت الصورة. شكراً على المساعدة السريعة.
R وجدنا السبب، أرسلنا لكم مصباحاً جديداً وسيصل خلال يومين.
N Loose contact, new lamp sent.

# general/advice zh 2 advice
S {product} 可以用自来水吗？
S 罗勒的叶子发黄怎么办
O 您好，我们家的 {product} 放在厨房里，想请问可以直接用自来水吗？
O 您好，最近罗勒的叶子有点发黄，别的植物都很好。
D 我们每周加一次营养液。
D 灯每天开十四个小时。
A 您好，请问室内温度大概是多少？能发一张照片给我们看看吗？
C 大概二十度，照片在附件里。
R 谢谢您的照片。请每周加两次营养液，十天左右叶子就会变绿。
N Needs more nutrients, nothing is wrong.

# technical/sensor ja 1 sensor, hardware
S {product} に {code} が表示されます
O いつもお世話になっております。{product} の画面に {code} が表示されたままです。
D 水は上の線まで入っています。
A ご連絡ありがとうございます。センサーを柔らかい布で拭いていただけますか。
C 拭きましたが、変わりませんでした。
R 新しいセンサーを本日発送いたしました。二、三日でお手元に届きます。
N First generation sensor, replaced.
"""
