"""Vocabulary of the reply parser in the languages it reads: casefolded words, and pieces of regular expressions."""


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


LETTERED = _words(
    "vitamin team group plan frame frames figure fig part section video clip image picture question athlete "
    "gymnast player judge panel appendix camera scene person point phase stage hepatitis league grade "
    "apparatus"
)
"""Nouns that a letter after them names, so that it is no option."""

AFTER_LETTER = _words(
    "is was isn't wasn't can't cannot could would might may must should can will because since as due given "
    "based or and but nor seems appears looks matches fits needs requires describes shows says has does "
    "doesn't correct wrong incorrect right not only with ist est es è é jest oder und ou et o y e u nicht "
    "n'est no não non nie niet of en maar sondern mais mas pero sino ma correcta incorrecta fausse falsch "
    "richtig errada deve değil seçeneği şıkkı to là sai đúng không adalah bukan är er on je este lecz ale "
    "weil kann wäre"
)
"""Words that follow letters rather than the article A."""

AFTER_TEXT = _words("and or as based because but due for given is since was weil car porque perché")
"""Words that may follow a choice's text without a sign between."""

ACTS = _words("perform performs performing execute executes executing do does doing show shows")
"""Verbs that a movement follows."""

LINKS = _words(
    "and or nor et ou und oder y o e u i och eller of en lub i и или або та ve veya và hoặc hay و أو او और या "
    "dan atau vagy és nebo a sau ja tai και ή"
)
"""Words that join a letter to a further one."""

ANSWER = (
    r"answer|ans|antwort|lösung|réponse|reponse|respuesta|resposta|risposta|antwoord|odpowied[zź](?:i[aą])?|"
    r"ответ(?:ом)?|відповідь|отговор(?:ът)?|одговор|odgovor|cevap|cevabı|cevaptır|yanıt|yanıtı|đáp án|câu trả lời|"
    r"trả lời|"
    r"الإجابة|الاجابة|الجواب|إجابة|اجابة|إجابتي|جواب|जवाब|उत्तर|정답|답변|답|正解|答え|答|回答|解答|答案|svar(?:et)?|"
    r"vastaus|odpověď|odpoveď|răspuns(?:ul)?|válasz|jawaban(?:nya)?|απάντηση|คำตอบ|ה?תשובה|پاسخ|উত্তর|جواب"
)
"""Nouns that an answer follows."""

OPTION = (
    r"choice|option|letter|selection|pick|guess|prediction|conclusion|verdict|response|output|result|solution|decision|"
    r"final|selected|label|candidate|wahl|buchstabe|lösungsbuchstabe|opci[oó]n|soluci[oó]n|soluzione|solução|"
    r"alternativa|opção|letra|opzione|lettera|lettre|choix|"
    r"optie|keuze|opcja|wybór|вариант|выбор|варіант|seçenek|seçim|şık|lựa chọn|phương án|الخيار|الاختيار|विकल्प|"
    r"选项|選項|選択肢|选择|"
    r"선택지?|보기|alternativ(?:et)?|možnost|pilihan|opsi|varianta|vaihtoehto|επιλογή|ตัวเลือก|گزینه|বিকল্প|outcome|"
    r"summary"
)
"""Nouns that an answer follows where they are called right, or a colon or copula stands between."""

RIGHT = (
    r"correct(?:ly|e|a|o|s)?|right|best|accurate|appropriate|suitable|true|likely|probable|proper|closest|fitting|"
    r"richtige?[rns]?|korrekte?[rs]?|beste|bonne|juste|exacte?|vraie|correct[ao]|adecuad[ao]|verdader[ao]|"
    r"corret[ao]|cert[ao]|"
    r"giust[ao]|corrett[ao]|esatt[ao]|juiste?|goede?|prawidłow[aąye]|poprawn[aąye]|właściw[ay]|правильн\w{1,3}|"
    r"верн\w{1,3}|правильна|"
    r"вірна|doğru|đúng|chính xác|الصحيحة?|صحيحة?|सही|正确的?|正確な?的?|正しいの?|(?:最も)?(?:適切|"
    r"ふさわしい)(?:なの|な)?|올바른|맞는|옳은|rätta?|riktige?t?|oikea|správn[áaéý]|corectă?|"
    r"helyes|benar|tepat|σωστή|ถูกต้อง|הנכונה|نکونה|صحیح|درست|সঠিক|最佳|最合适的?"
)
"""Adjectives of the right option."""

IS = (
    r"is|are|was|be|can|seems|looks|appears|seems like|looks like|está|estão|being|been|it's|remains|becomes|ist|"
    r"lautet|war|wäre|sei|est|serait|es|sia|sería|seria|era|è|é|sarebbe|zijn|to|jest|это|є|е|je|"
    r"là|هي|هو|है|हैं|은|는|이|가|はい?|が|の|是|为|為|應該是|应该是|应为|就是|är|er|on|este|adalah|ialah|yaitu|"
    r"είναι|คือ|היא|הוא|است|হল|"
    r"should be|would be|must be|has to be|will be|appears to be|seems to be"
)
"""Copulas, and the particles that take their place."""

FILLER = (
    r"the|this|that|these|those|an|my|our|your|final|most|more|very|clearly|certainly|definitely|obviously|surely|"
    r"probably|likely|therefore|thus|then|hence|so|indeed|simply|just|only|still|now|here|actually|in fact|of course|"
    r"one|move|movement|element|skill|action|exercise|routine|asked|given|shown|above|following|i choose|i think|"
    r"option|choice|letter|answer|label|number|"
    r"text|textbf|mathbf|mathrm|boxed|therefore|none other than|found|und|die|der|das|dem|den|yang|för|la|le|el|il|"
    r"lo|los|"
    r"l'|l'option|l'opzione|une|un|una|uma|de|het|donc|alors|also|daher|somit|dus|quindi|pertanto|portanto|entonces|"
    r"así que|лишь|так|разумеется|option|letra|lettera|lettre|buchstabe|opci[oó]n|opção|opzione|alternativa|optie|"
    r"opcja|вариант|под|буквой|"
    r"seçenek|seçeneği|şıkkı|şık|phương án|lựa chọn|câu|chữ|الخيار|الحرف|विकल्प|选项|選項|選択肢|项|項|选|選|应该|"
    r"應該|应|應|我的?|认为|認為|"
    r"선택지|보기|번|alternativ|alternativet|možnost|pilihan|opsi|varianta|vaihtoehto|ตัวเลือก|گزینه|אפשרות|réponse|"
    r"respuesta|"
    r"resposta|risposta|antwort|odpowiedź|ответ|cevap|yanıt|đáp án|الإجابة|उत्तर|答案|正解|정답"
)
"""Words between "answer" and its value."""

CLOSING = (
    r"so|therefore|thus|hence|consequently|accordingly|ergo|finally|in conclusion|to conclude|in summary|in short|"
    r"overall|all in all|"
    r"as a result|that is why|which means|which leaves|this means|meaning|final|conclusion|folglich|daher|deshalb|"
    r"somit|also|donc|ainsi|par conséquent|"
    r"por (?:lo )?tanto|por ende|así que|entonces|por eso|en conclusión|portanto|logo|assim|então|por isso|quindi|"
    r"pertanto|dunque|perciò|"
    r"dus|daarom|więc|zatem|dlatego|следовательно|поэтому|значит|итак|таким образом|отже|тому|dolayısıyla|bu yüzden|"
    r"bu nedenle|sonuç olarak|yani|"
    r"vì vậy|do đó|vậy|vì thế|لذلك|إذن|لذا|وبالتالي|इसलिए|अतः|따라서|그러므로|그래서|결론적으로|したがって|従って|"
    r"よって|だから|ゆえに|"
    r"因此|所以|故|综上所述|综上|綜上|最终|最終|最後|最后|总之|därför|alltså|derfor|siis|tedy|proto|takže|deci|"
    r"așadar|tehát|jadi|maka|oleh karena itu|"
    r"άρα|ดังนั้น|לכן|بنابراین|সুতরাং"
)
"""Words of a concluding statement."""

CONTRAST = (
    r"but|however|yet|though|although|nevertheless|nonetheless|instead|rather|whereas|still|sondern|aber|jedoch|"
    r"doch|mais|cependant|pourtant|"
    r"sino|pero|sin embargo|mas|porém|contudo|todavia|ma|bensì|però|tuttavia|maar|echter|lecz|ale|jednak|tylko|а|но|"
    r"однако|але|проте|"
    r"ama|fakat|ancak|aksine|mà|nhưng|tuy nhiên|بل|لكن|ولكن|बल्कि|लेकिन|परंतु|하지만|그러나|しかし|でも|ただし|而是|"
    r"而|但是?|然而|不过|"
    r"utan|men|vaan|mutta|nýbrž|dar|hanem|melainkan|tetapi|αλλά|แต่|אלא|אבל|بلکه|اما|বরং"
)
"""Words that set a clause against the one before."""

REASON = (
    r"because|since|due to|given that|seeing that|weil|denn|car|parce que|puisque|porque|ya que|pois|já que|perché|"
    r"poiché|"
    r"omdat|ponieważ|gdyż|потому что|так как|поскольку|çünkü|zira|bởi vì|لأن|क्योंकि|왜냐하면|なぜなら|因为|因為|由于"
)
"""Words that begin a reason."""

CONDITION = (
    r"for example|for instance|depending|according to the prompt|let's assume|let us assume|assume|had|if|unless|"
    r"assuming|suppose|supposing|whether|provided|otherwise|when|whenever|wenn|falls|sofern|ob|si|sauf si|à moins|"
    r"se|caso|als|indien|"
    r"tenzij|jeśli|jeżeli|czy|если|якщо|eğer|nếu|إذا|यदि|अगर|만약|만일|もし|なら|如果|假如|若|要是|是否|jos|pokud|"
    r"dacă|jika|kalau|"
    r"αν|ถ้า|אם|اگر|যদি"
)
"""Words that make a clause conditional."""

NEGATION = (
    r"not|no|none|never|neither|nor|cannot|\w+n't|without|against|except|excluding|besides|excludes?|excluded|"
    r"eliminates?d?|eliminating|rules? out|"
    r"ruled out|ruling out|rejects?|rejected|discard(?:ed)?|dismiss(?:ed)?|rather than|instead of|other than|"
    r"anything but|far from|unlike|lacks?|fails?|"
    r"wrong|incorrect(?:ly)?|false|inaccurate|improbable|unlikely|least|less|worst|mistak\w+|error|out|impossible|"
    r"unfit|unsuitable|invalid|implausible|contradicts?|"
    r"nicht|kein\w*|falsch\w*|ausgeschlossen|ausschließen|weder|unwahrscheinlich|inkorrekt|ne|n'\w+|pas|fau(?:x|"
    r"sse)|incorrecte|ni|exclu\w*|élimin\w+|jamais|"
    r"nunca|incorrect[ao]|fals[ao]|errad[ao]s?|equivocad[ao]|descart\w+|elimin\w+|não|nem|errónea|incorret[ao]|non|"
    r"sbagliat[ao]|errat[ao]|scorrett[ao]|"
    r"niet|geen|fout|onjuist|verkeerd|nie|błędn\w+|niepoprawn\w+|nieprawidłow\w+|fałsz\w*|не|нет|неверн\w+|"
    r"неправильн\w+|ошибочн\w+|исключ\w+|невірн\w+|"
    r"değil\w*|yanlış\w*|hayır|olamaz|không|sai|chẳng|loại|ليست?|لا|خاطئة|خاطئ|خطأ|غير|नहीं|न|गलत|"
    r"inte|fel|ikke|forkert|feil|ei|ole|väärin|není|nesprávn\w+|špatn\w+|nu|greșit\w*|nem|hibás|helytelen|bukan\w*|"
    r"tidak|salah|δεν|λάθος|ไม่|ผิด|לא|نیست|غلط|নয়|ভুল"
)
"""Negations and predicates of a rejected option."""

NEGATION_CJK = (
    r"아[니닙닌님]|않|틀|못|없|제외|오답|ない|なく|ません|間違|誤|違う|違い|不|非(?!常)|沒|没|"
    r"无|無法|错|錯|误|誤|排除|未|别|除了|而非|❌|✗|✘|🚫|⛔"
)
"""Negations that are written without blanks."""

DOUBT = (
    r"could|might|may|possibly|perhaps|maybe|either|between|unclear|unsure|uncertain|unknown|undetermined|missing|"
    r"random(?:ly)?|"
    r"mistake|tempting|tempted|plausible|partly|partially|in part|almost|"
    r"somewhat|example|e\.g|instance|such as|format|user|claims?|rumou?r|asked me|someone|somebody|some people|many|"
    r"people|viewers|others|students|they|"
    r"told|heard|supposedly|allegedly|coin|toss|previous|last time|guessing|were the|were it|had the|had it|"
    r"at first|first glance|initially|"
    r"first thought|earlier|previously|originally|distractor|suggests otherwise|compare|comparing|consider|"
    r"considering|"
    r"^\W*(?:in order )?to (?!jest)\w+|for (?:the |an )?\w+ to|(?:all|anything|everything|any|none) but|about a|"
    r"an answer|each|every|another|other|choosing|whichever|any of|half|seemed|looked|thought|n/a|"
    r"vielleicht|möglich\w*|könnte|unklar|peut-être|pourrait|inconnue?|quizás?|tal vez|podría|talvez|poderia|forse|"
    r"potrebbe|misschien|kan zijn|może|"
    r"возможно|может|наверное|belki|olabilir|có thể|có lẽ|ربما|قد|शायद|mungkin|kanske"
)
"""Words of a clause that commits itself to nothing."""

HYPOTHESIS = r"would (?:need|require|have|mean|fit|imply|show)|needs?|requires?|required"
"""What an option would take: said of one that is not chosen."""

DOUBT_CJK = (
    r"可能|也许|或许|还是|吗|嗎|是否|아마|일까|수도|지도|[가-힣](?<!르)(?<!보)면\s|"
    r"れば|たら|かもしれ|でしょうか|ですか|だろうか|か$"
)
"""The same, written without blanks."""

TAKE_BACK = (
    r"wait|hmm+|oops|scratch that|never ?mind|nevermind|correction|correcting|reconsider(?:ing)?|i am mistaken|"
    r"i'm mistaken|i was mistaken|my mistake|"
    r"sorry|on second thoughts?|on reflection|upon (?:closer|further|second)|after (?:a )?closer|after (?:all|"
    r"further|reconsider\w*)|"
    r"let me (?:re-?\w+|double-?check|think again|look again|correct)|strike that|edit|looking (?:again|closer|"
    r"more closely)|actually|no(?=\W*$| (?:wait|that|it|sorry|actually|i)\b)"
)
"""Words at a clause's beginning that take back what was said."""

DECISION = (
    r"on second thoughts?|on reflection|upon (?:closer|further|second) \w+|after (?:a )?closer \w+|"
    r"after further \w+|correction|actually|"
    r"looking (?:again|closer|more closely)|i now \w+|instead|edit|no"
)
"""Those of them that a mere letter may follow as the new answer."""

REFUSAL = (
    r"(?:can't|cannot|can not|couldn't|could not|unable to|not able to|not possible to|impossible to|hard to|"
    r"difficult to|don't|do not|won't)"
    r" (?:\w+ ){0,2}(?:tell|say|see|watch|view|determine|know|decide|answer|judge|identify|access|be sure|verify)|"
    r"not (?:\w+ )?(?:sure|certain|clear|possible|enough|able)|i'm unsure|unsure|uncertain|insufficient|"
    r"unanswerable|no idea|unclear|impossible"
)
"""Phrases of a refusal."""

BLIND = (
    r"without (?:\w+ ){0,3}(?:video|image|frames?|clip|seeing|watching)|(?:no|not any) (?:video|image|frames?|clip)|"
    r"(?:can't|cannot|can not|couldn't|unable to|not able to) (?:\w+ )?(?:see|watch|view|access|play|open|process)|"
    r"as an ai|i'm an ai"
)
"""Phrases of one who sees no video: a guess after them is no answer."""

NOTHING_FITS = (
    r"(?:answer|option|choice)s? (?:\w+ ){0,3}(?:missing|not (?:\w+ )?(?:listed|given|there|among|available|shown|"
    r"present|included))|"
    r"no (?:\w+ )?(?:correct|right|good) (?:answer|option|choice)|no (?:option|choice|answer) (?:is|fits|matches)|"
    r"none of (?:the (?:above|options|choices|answers|given|provided|listed)|these|them)"
)
"""Phrases of one who finds no choice right: what comes closest is no answer."""
