// Wrapped for the eye; a paragraph is one line of the text.
const PROSE = `The ferry had been out of use since the bridge was built, but old Marten still lived in the
ferryman's house and still rang the bell each morning at six. Nobody had asked him to. He said
that a river without a bell was only water, and that somebody ought to tell it what hour it was.
The children of the village used to run down to the bank before school to see him pull the rope,
and he let each of them pull it once on their birthday, even in the winter, when the rope froze
to the post and had to be beaten with a stick before it would move.

In the spring of the year when I was nine the water rose higher than anyone could remember. It
came over the meadow first, quite slowly, so that the cows had time to walk away from it, and
then in one night it came up to the gardens. My mother carried the flour and the blankets to the
attic. My father stood at the window with the lamp and counted the stones of the wall as they
went under, and when he had counted eleven he put on his boots and said that he was going to see
about Marten.

"He will be in bed," said my mother, "and the house stands on a hill."

"It stands on a hill that is made of sand," said my father, and he went out.

I followed him. I do not know why I was not sent back; perhaps he had not heard me, for the wind
was loud and the river was louder. We walked along the top of the old dike with the lamp held
low. On our left hand the fields were gone, and where they had been there was something black
that moved, with here and there the top of a fence standing out of it like the teeth of a comb.
Once a barrel went by, turning over and over, and on the barrel sat a hen, who looked at us as
though the whole matter had been our idea.

The ferryman's house was dark. The door stood open, and in the kitchen the water was as deep as
my knees. A chair floated against the stove. My father called up the stairs, and then he called
again, and nobody answered him. We found the bed made and the clock stopped and the old dog
asleep on the table, quite dry, with a piece of sausage beside her that she had not yet
finished. My father put his hand on her head and she opened one eye.

"If he had drowned," he said to me, "he would not have left her a sausage."

It was then that the bell rang. It rang once, and after a long while it rang again; not as it
did in the morning, when the strokes followed one another like the steps of a man who is late,
but slowly, as if each of them had to be thought about. We went out by the back and up the path
between the apple trees, and there, at the top of the bank, where the landing stage had been, we
saw a light. He had tied his boat to the bell post. He was sitting in it with a blanket around
his shoulders, and every time the current swung the boat out to the end of its line the rope
grew tight and the bell spoke.

"I am not ringing it," he called to us when we were near enough to hear. "I want that
understood. I only tied the knot. It is the river that rings."

My father asked him whether he would come home with us, and he said that he would, in a little
while, but that first he should like to know how high it meant to go. He had lived beside it for
sixty years, he said, and it had never before told him anything. So we sat down on the wet grass
under the trees and waited, the three of us, and the dog, who had swum after us and was very
much offended. Toward morning the time between the strokes grew longer. A grey line came over
the hills on the other side, and we could see the bridge, and on the bridge a row of people with
lanterns, who had come to look at the flood and had been listening to the bell all night without
knowing what it was.

When it was quite light the boat lay still upon the mud. Marten climbed out of it, stiffly, one
leg after the other, and looked at the watch that he kept in a tin. Then he took hold of the
rope with both hands and rang six o'clock.`;

/** Written for this repository: prose to measure on where no other text is at hand. */
export const DEFAULT_TEXT = PROSE.replace(/([^\n])\n(?=[^\n])/g, "$1 ");
