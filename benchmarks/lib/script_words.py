"""Words of many scripts and languages, and emoji, from which texts are put together."""

from __future__ import annotations

SCRIPTS = {
    "french": "été forêt où élève naïf garçon déjà façade œuvre hôtel mûr noël très à côté",
    "german": "größe straße über müde schön käse früh ähnlich bär öl fuß weiß königin hören",
    "spanish": "mañana niño año corazón árbol sueño también lápiz pingüino español después",
    "portuguese": "coração ação irmã pão não você açúcar maçã informações avó três",
    "polish": "żółć łódź świat dziękuję źródło pięć książka może wąż słońce",
    "czech": "žluťoučký kůň řeka příliš děti čtyři náměstí šťáva úterý dům",
    "turkish": "güneş çocuk şehir ağaç ılık öğretmen gökyüzü kırmızı değil üç",
    "vietnamese": "tiếng việt người nước đẹp buổi sáng trường học điện thoại không",
    "nordic": "hjälp sjö år øl blåbær þú vatn ærlig ö smörgås gård även",
    "cyrillic": "поезд вода город книга друг утро зима слово школа ёж объект хлеб їжак український",
    "greek": "θάλασσα ήλιος βιβλίο σπίτι φίλος νερό δρόμος ψωμί λόγος ώρα",
    "arabic": "كتاب ماء مدينة صديق بيت شمس طريق مدرسة خبز كلمة صباح",
    "hebrew": "ספר מים עיר חבר בית שמש דרך לחם מילה בוקר ילדים",
    "devanagari": "किताब पानी शहर दोस्त घर सूरज रास्ता रोटी शब्द सुबह बच्चे",
    "bengali": "বই জল শহর বন্ধু বাড়ি সূর্য পথ রুটি শব্দ সকাল",
    "tamil": "புத்தகம் நீர் நகரம் நண்பர் வீடு சூரியன் பாதை சொல் காலை",
    "thai": "หนังสือ น้ำ เมือง เพื่อน บ้าน ดวงอาทิตย์ ถนน ขนมปัง คำ เช้า",
    "georgian": "წიგნი წყალი ქალაქი მეგობარი სახლი მზე გზა პური სიტყვა",
    "armenian": "գիրք ջուր քաղաք ընկեր տուն արև ճանապարհ հաց բառ",
    "chinese": "图书馆 水 城市 朋友 家 太阳 道路 面包 单词 早上 孩子们 火车站",
    "japanese": "図書館 みず 都市 ともだち いえ 太陽 みち パン ことば あさ こども 電車",
    "korean": "책 물 도시 친구 집 태양 길 빵 단어 아침 아이들 기차역",
    "mathematics": "∑ ∫ √x ≤ ≥ ≈ π α² β₁ ∂f ∞ ∈ ℝ ½ ± × →",
}

EMOJI = "😀 😂 🥳 😍 😭 🙏 👍🏽 👩‍💻 🔥 🚀 🎉 ❤️ 🐈 🌍 🍕 ⚽ ☕️ 🇫🇷 ✅ ⚠️ 💨 🌅"
